"""Models trained side by side: in processes, on a GPU, by several ranks; and what one that fails takes along."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from pipeline.clip_jobs.cache import ClipCache
from pipeline.errors import DataError, ParamsError
from pipeline.model_parts import every_model, finished
from tests.model_parts.test_every_model import MODELS, folder, gone, train, words, write_params, written

__all__ = ["folder"]  # the fixture


def test_in_processes_of_their_own_models_are_the_same_bytes(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(folder, capsys)
    alone = written(folder)
    gone(folder)
    monkeypatch.setenv("AVR_WORKERS", "2")
    monkeypatch.setenv("AVR_CACHE_DIR", str(folder / "another cache"))
    assert train(folder, capsys) == list(MODELS)
    assert written(folder) == alone


@pytest.mark.parametrize("n_workers", ["1", "2"])
def test_a_model_that_fails_keeps_no_other_from_being_trained(
    n_workers: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVR_WORKERS", n_workers)
    write_params(folder, model={"correlation": "cca", "learning_rate": 1e30}, dscmr={"dropout": 2.0})
    with pytest.raises((DataError, ParamsError), match=r"lower learning_rate|baselines.dscmr.dropout"):
        train(folder, capsys)
    assert "train: 2 models failed: " in capsys.readouterr().err
    write_params(folder)
    monkeypatch.setenv("AVR_WORKERS", "1")  # which models are left does not depend on it, and starts no processes
    assert sorted(train(folder, capsys)) == ["dscmr", "dual_subspace"]


def test_a_process_that_ends_costs_its_model_alone(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVR_WORKERS", "2")
    with monkeypatch.context() as patch:
        patch.setattr(every_model, "_train", end_at_kcca)
        with pytest.raises(DataError, match=r"model kcca: its process ended with exit code 3; expected it to be"):
            train(folder, capsys)
    assert words(capsys) == list(MODELS)
    monkeypatch.setenv("AVR_WORKERS", "1")  # which models are left does not depend on it, and starts no processes
    assert train(folder, capsys) == ["kcca"]


TRAIN = every_model._train


def end_at_kcca(
    features: Path,
    version: every_model.FileVersion,
    kept: ClipCache,
    to_train: set[str],
    training: finished.ModelTraining,
) -> object:
    if training.name == "kcca":
        os._exit(3)
    return TRAIN(features, version, kept, to_train, training)


def test_of_several_ranks_none_goes_on_where_one_fails(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(every_model, "joined_ranks", nullcontext)
    write_params(folder, cca={"ridge": -1.0})
    with pytest.raises(ParamsError, match=r"baselines\.cca\.ridge"):
        train(folder, capsys)
    assert not (folder / "models/kcca").exists()


@pytest.mark.parametrize("rank", ["0", "1"])
def test_all_ranks_see_that_a_kept_model_is_damaged(
    rank: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    for name in ("joined_ranks", "is_shared"):
        monkeypatch.setattr(every_model, name, {"joined_ranks": nullcontext, "is_shared": lambda: True}[name])
    write_params(folder, {"cca": "baselines.cca", "kcca": "baselines.kcca"})
    train(folder, capsys)
    entry = min((folder / "cache/clips/train").rglob("*.safetensors"), key=lambda path: path.stat().st_size)
    entry.write_bytes(entry.read_bytes()[:-1] + b"!")
    monkeypatch.setenv("RANK", rank)
    begun: list[str] = []
    monkeypatch.setattr(every_model, "_train", lambda *given: begun.append(given[-1].name))
    train(folder, capsys)
    assert begun == ["cca"]


@pytest.mark.parametrize(
    ("n_bytes", "container", "expected"),
    [
        (1000, "max", 4),
        (2**31 - 1, str(2**33), 1),
        (1000, "17000", 2),
        (1000, "1", 1),
        (2**32, str(2**34), 2),
        (2**43, "max", 1),
    ],
)
def test_as_many_models_are_trained_at_a_time_as_memory_holds(
    n_bytes: int, container: str, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "memory.max").write_text(f"{container}\n")
    monkeypatch.setattr(every_model, "_LIMITS_OF_A_CONTAINER", ("no such file", str(tmp_path / "memory.max")))
    monkeypatch.setenv("AVR_WORKERS", "4")
    monkeypatch.setenv("AVR_DEVICE", "cpu")
    with (tmp_path / "features").open("wb") as file:
        file.truncate(n_bytes)  # holes take no room
    left = [finished.ModelTraining(str(i), "model", tmp_path, tmp_path, "") for i in range(9)]
    assert every_model._n_workers(tmp_path / "features", left) == expected


def test_models_share_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_DEVICE", "cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert every_model._has_gpu()
