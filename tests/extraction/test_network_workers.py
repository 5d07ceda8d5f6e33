"""A network of the project in several processes: the bytes of one process, and who gets which GPU."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.clip_jobs.engines import processes, ray_cluster
from pipeline.clip_jobs.share import Share
from pipeline.errors import ParamsError
from pipeline.extraction import network_workers
from pipeline.extraction.embedding import ChosenNetwork, embed_folder
from pipeline.extraction.network_workers import n_network_workers, take_gpu, workers_beside_decoding, workers_of
from pipeline.formats.shards import Arrays, write_shards
from pipeline.settings.device import one_thread
from tests.helpers.project import write_params

HOLD = "import sys, time; from pipeline.extraction.network_workers import take_gpu; take_gpu(*sys.argv[1:2], 1, 1)"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    for name in ("AVR_ENGINE", "AVR_NETWORK_WORKERS", "AVR_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    write_params(tmp_path, {"networks": {"yamnet": {"inputs": "logmel", "modality": "audio"}}})
    rng = np.random.default_rng(0)
    clips: dict[str, Arrays] = {
        f"{k}.mp4": {"examples": rng.normal(size=(3 + k, 96, 64)).astype(np.float32), "seconds": np.arange(3.0 + k)}
        for k in range(10)
    }
    write_shards("logmel", clips, clips.__getitem__)
    with one_thread():  # as many as each of several workers has: other numbers of threads change last bits
        yield


def embedded(name: str, monkeypatch: pytest.MonkeyPatch, *shares: Share, **variables: str) -> dict[str, bytes]:
    """The files that the stage writes, with a cache of its own."""
    monkeypatch.setenv("AVR_CACHE_DIR", str(Path(name).absolute() / "cache"))
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    for share in (*shares, Share(1, 1)):
        embed_folder("yamnet", "logmel", f"{name}/out", share)
    assert sorted(path.name for path in Path(name).iterdir()) == ["cache", "out"]  # no weights are left
    return {path.name: path.read_bytes() for path in Path(name, "out").iterdir()}


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = embedded("alone", monkeypatch)
    assert len([name for name in alone if name.startswith("shard-")]) > 1
    assert embedded("two", monkeypatch, AVR_NETWORK_WORKERS="2") == alone
    capsys.readouterr()
    assert embedded("shares", monkeypatch, Share(1, 2), Share(2, 2)) == alone
    said = capsys.readouterr().out
    assert "share 2/2: 5 clips, 5 computed, 0 already there" in said
    assert "yamnet: computed 0 of 10 clips" in said


@pytest.mark.slow
def test_actors_of_ray_write_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")  # a busy machine takes longer than Ray expects
    alone = embedded("alone", monkeypatch)
    assert embedded("ray", monkeypatch, AVR_NETWORK_WORKERS="2", AVR_ENGINE="ray", AVR_DEVICE="cpu") == alone


@pytest.mark.parametrize(
    ("asked", "device", "n_gpus", "n_workers"),
    [("", "", 0, 1), ("", "", 4, 4), ("", "cuda", 4, 4), ("", "cuda:1", 4, 1), ("", "cpu", 4, 1), ("3", "", 4, 3)],
)
def test_there_is_one_process_a_gpu_or_as_many_as_asked_for(
    asked: str, device: str, n_gpus: int, n_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVR_NETWORK_WORKERS", asked)
    monkeypatch.setenv("AVR_DEVICE", device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    assert n_network_workers() == n_workers


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_a_device_that_is_none_is_refused_before_a_worker_starts(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParamsError, match=r"^AVR_DEVICE='abacus'.*; expected cpu"):
        embedded("none", monkeypatch, AVR_NETWORK_WORKERS="2", AVR_ENGINE=engine, AVR_DEVICE="abacus")


def test_a_machine_without_a_gpu_may_ask_a_cluster_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AVR_ENGINE", "ray"), ("AVR_NETWORK_WORKERS", "3"), ("AVR_DEVICE", "cuda:1")):
        monkeypatch.setenv(name, value)
    network = ChosenNetwork("yamnet")
    state = {"weight": torch.arange(6.0).reshape(2, 3).T}
    with workers_of("yamnet", network.params, lambda: state, tmp_path / "data" / "yamnet") as workers:
        assert workers is not None
        assert (workers.n_workers, workers.n_gpus, workers.run) == (3, 1, ray_cluster.run)
        (weights,) = (tmp_path / "data").glob(".weights-*/weights.safetensors")  # where the nodes see data/
        assert load_file(weights)["weight"].equal(state["weight"])
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("asked", ["", "1"])
def test_beside_actors_that_decode_one_network_runs_in_this_process_however_many_gpus_there_are(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVR_ENGINE", "ray")
    monkeypatch.setenv("AVR_NETWORK_WORKERS", asked)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with workers_beside_decoding("logmel", "yamnet", ChosenNetwork("yamnet").params, dict, "out") as workers:
        assert workers is None


@pytest.mark.parametrize("n_workers", [1, 2])
def test_the_process_that_all_workers_are_forked_from_loads_at_once_what_each_kind_needs(
    n_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(processes, "prepare", calls.append)
    monkeypatch.setenv("AVR_NETWORK_WORKERS", f"{n_workers}")
    with workers_beside_decoding("logmel", "yamnet", ChosenNetwork("yamnet").params, dict, "out"):
        (loaded,) = calls
    of_network = {"pipeline.network_parts.inference", "pipeline.networks.yamnet.network"}
    assert {"pipeline.clip_jobs.decoded_clips", "pipeline.logmel", "pipeline.video"} <= {*loaded}
    assert of_network & {*loaded} == (of_network if n_workers > 1 else set())


@pytest.mark.parametrize("text", ["0", "-1", "two"])
def test_a_number_of_processes_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_NETWORK_WORKERS", text)
    with pytest.raises(ParamsError, match=f"^AVR_NETWORK_WORKERS='{text}'; expected a whole number above 0$"):
        n_network_workers()


def test_every_worker_has_a_gpu_of_its_own_until_there_are_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_workers, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setenv("AVR_DEVICE", "cuda")
    taken = []
    for _ in range(3):
        take_gpu(tmp_path, 3, 2)
        taken.append(os.environ["AVR_DEVICE"])
    assert taken == ["cuda:0", "cuda:1", "cuda:0"]
    with pytest.raises(ParamsError, match=r"^AVR_NETWORK_WORKERS=3: more workers than that hold a GPU; expected them"):
        take_gpu(tmp_path, 3, 2)


def test_the_gpu_of_a_worker_that_is_killed_goes_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_DEVICE", "cuda")
    code = f"{HOLD}; print('taken', flush=True); time.sleep(1000)"
    root = Path(network_workers.__file__).parents[2]
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "taken\n"
    holder.kill()
    holder.wait()
    take_gpu(tmp_path, 1, 1)
    assert os.environ["AVR_DEVICE"] == "cuda:0"
