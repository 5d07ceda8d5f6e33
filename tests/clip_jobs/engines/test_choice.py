"""Which engine computes, and with how many workers, as the environment says."""

import builtins
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.clip_jobs.engines import chosen_engine, processes, ray_cluster
from pipeline.errors import ParamsError
from pipeline.settings.environment import chosen_workers
from tests.helpers.clip_work import obey

ROOT = Path(__file__).parents[3]


def test_the_engine_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVR_ENGINE", raising=False)
    assert chosen_engine() is processes.run
    for name, run in (("", processes.run), ("processes", processes.run), ("ray", ray_cluster.run)):
        monkeypatch.setenv("AVR_ENGINE", name)
        assert chosen_engine() is run


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_ENGINE", "spark")
    with pytest.raises(ParamsError, match=r"AVR_ENGINE='spark'; expected one of: processes, ray$"):
        chosen_engine()


@pytest.mark.parametrize(
    ("workers", "n_cores", "n_workers"), [("1", 5, 1), ("12", 5, 12), (None, 5, 5), ("", 5, 5), (None, None, 1)]
)
def test_there_are_as_many_workers_as_asked_for_or_one_a_core(
    monkeypatch: pytest.MonkeyPatch, workers: str | None, n_cores: int | None, n_workers: int
) -> None:
    monkeypatch.delenv("AVR_WORKERS", raising=False)
    if workers is not None:
        monkeypatch.setenv("AVR_WORKERS", workers)
    monkeypatch.delattr(os, "sched_getaffinity")  # as on systems that cannot tell
    monkeypatch.setattr(os, "cpu_count", lambda: n_cores)
    assert chosen_workers() == n_workers


def test_cores_that_the_process_may_not_use_get_no_worker() -> None:
    code = """
import os
from pipeline.settings.environment import chosen_workers
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(chosen_workers())
"""
    env = {name: value for name, value in os.environ.items() if name != "AVR_WORKERS"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_workers_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    monkeypatch.setenv("AVR_WORKERS", workers)
    with pytest.raises(ParamsError, match=f"AVR_WORKERS='{workers}'; expected a whole number above 0$"):
        chosen_workers()


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def import_without_ray(name: str, *rest: Any) -> Any:  # noqa: ANN401 - as the real one
        if name == "ray":
            raise ModuleNotFoundError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", import_without_ray)
    with pytest.raises(ParamsError, match="AVR_ENGINE='ray': Ray is not installed; expected the extra `ray`"):
        list(ray_cluster.run(obey, ["a"], 1, 60))
