"""What workers are told: the environment of their call; and what a user is told whose workers wait for a GPU."""

import os

import pytest

from pipeline.clip_jobs.engines import processes, ray_cluster
from pipeline.settings.notices import tell_once
from tests.helpers.pretended_ray import PretendedRay


def test_workers_have_the_environment_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    values = []
    for value in ("one", "two"):  # the process that they are forked from has neither
        monkeypatch.setenv("AVR_TEST_OF_WORKERS", value)
        values += [answer for _, answer in processes.run(os.getenv, ["AVR_TEST_OF_WORKERS"], 1, 60.0)]
    assert values == ["one", "two"]


@pytest.mark.parametrize("n_gpus", [0, 1])
def test_a_cluster_without_a_gpu_is_told_of_where_one_is_asked_for(
    n_gpus: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ray = PretendedRay(lambda item, n_tries: None)
    monkeypatch.setattr(ray_cluster, "_started", lambda n_workers: ray)
    tell_once.cache_clear()
    assert list(ray_cluster.run(str.upper, ["a"], 1, 60.0, n_gpus=n_gpus)) == [("a", "A")]
    assert ("its cluster has no GPU now" in capsys.readouterr().err) == bool(n_gpus)
