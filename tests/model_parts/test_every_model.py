"""One stage trains all models: what is finished is kept, and how many are trained at a time changes no byte."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.errors import DataError, ParamsError
from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts import every_model, finished
from pipeline.model_parts.every_model import train_models
from tests.helpers.project import ROOT

N = 40
MODELS = {"dual_subspace": "model", "cca": "baselines.cca", "kcca": "baselines.kcca", "dscmr": "baselines.dscmr"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with features and params of four models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_DEVICE", "cpu")
    monkeypatch.setenv("AVR_WORKERS", "1")
    rng, labels = np.random.default_rng(0), np.arange(N) % 4
    audio, visual = (np.eye(4, 12)[labels] + rng.normal(size=(2, N, 12))).astype(np.float32)
    splits = ["train"] * 20 + ["validation"] * 10 + ["test"] * 10
    table = FeatureTable(
        clip_ids=[f"clip {i}" for i in range(N)],
        splits=splits,
        labels=labels,
        classes=list("abcd"),
        audio=audio,
        visual=visual,
        provenance={},
    )
    table.save(tmp_path / "features.safetensors")
    write_params(tmp_path)
    return tmp_path


def write_params(folder: Path, models: Mapping[str, str] = MODELS, **changes: Mapping[str, object]) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"models": dict(models)}
    for of in (params["model"], params["baselines"]["dscmr"]):
        of |= {"epochs": 2, "seeds": [0, 1]}
    for name, values in changes.items():
        (params["model"] if name == "model" else params["baselines"][name]).update(values)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def train(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The models that were trained, as the stage says."""
    train_models(folder / "features.safetensors", folder / "models", folder / "embeddings")
    return words(capsys)


def words(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr().out.strip()
    return said.partition(": ")[2].partition(": ")[2].split(", ") if said.count(": ") > 1 else []


def written(folder: Path) -> dict[str, str]:
    files = [path for name in ("models", "embeddings") for path in sorted((folder / name).rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_all_models_are_trained_and_kept_the_next_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(folder, capsys) == list(MODELS)
    before = written(folder)
    assert {name.split("/")[1] for name in before if name.startswith("models/")} == set(MODELS)
    assert [name for name in before if name.startswith("emb")] == [f"embeddings/{name}.npz" for name in sorted(MODELS)]
    assert train(folder, capsys) == []
    assert written(folder) == before


def test_in_processes_of_their_own_models_are_the_same_bytes(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(folder, capsys)
    alone = written(folder)
    monkeypatch.setenv("AVR_WORKERS", "3")
    train_models(folder / "features.safetensors", folder / "models of 3", folder / "embeddings")
    assert words(capsys) == list(MODELS)
    (folder / "models").rename(folder / "models of 1")
    (folder / "models of 3").rename(folder / "models")
    assert written(folder) == alone


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": {"lambda_corr": 0.5}}, ["dual_subspace"]),
        ({"cca": {"ridge": 0.2}}, ["cca"]),
        ({"dscmr": {"seeds": [0]}}, ["dscmr"]),
    ],
)
def test_another_parameter_trains_its_model_and_no_other(
    changes: Mapping[str, Mapping[str, object]],
    expected: list[str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(folder, capsys)
    before = written(folder)
    write_params(folder, **changes)
    assert train(folder, capsys) == expected
    changed = {name for name, digest in written(folder).items() if before.get(name) != digest}
    assert changed
    assert all(f"/{expected[0]}" in name for name in changed)
    if expected == ["dscmr"]:
        assert not (folder / "models/dscmr/seed-1.safetensors").exists()


def test_a_new_model_is_trained_alone_and_what_belongs_to_none_is_removed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(folder, capsys)
    (folder / "embeddings/left.npz").touch()
    write_params(folder, {"cca": "baselines.cca", "c_cca": "baselines.c_cca"}, c_cca={"n_components": 3})
    assert train(folder, capsys) == ["c_cca"]
    assert {name.split("/")[1] for name in written(folder)} == {"cca", "c_cca", "cca.npz", "c_cca.npz"}


@pytest.mark.parametrize(
    "lost",
    ["models/cca/made_from.json", "models/cca/seed-0.safetensors", "models/cca/history.csv", "embeddings/cca.npz"],
)
@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_model_of_which_a_file_is_not_whole_is_trained_again(
    lost: str, damage: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(folder, capsys)
    before = written(folder)
    if damage == "gone":
        (folder / lost).unlink()
    else:
        (folder / lost).write_bytes((folder / lost).read_bytes()[:-3])
    assert train(folder, capsys) == ["cca"]
    assert written(folder) == before


def test_other_features_train_every_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(folder, capsys)
    table = FeatureTable.load(folder / "features.safetensors")
    table.audio[0, 0] += 1
    table.save(folder / "features.safetensors")
    assert train(folder, capsys) == list(MODELS)


def test_an_edit_of_one_model_s_code_trains_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(folder, capsys)
    hash_of = finished.fingerprint
    edited = "pipeline.models.kcca"
    monkeypatch.setattr(
        finished, "fingerprint", lambda facts, modules: hash_of({**facts, "edited": edited in modules}, modules)
    )
    train(folder, capsys)
    monkeypatch.setattr(finished, "fingerprint", lambda facts, modules: hash_of({**facts, "edited": False}, modules))
    assert train(folder, capsys) == ["kcca"]


@pytest.mark.parametrize("n_workers", ["1", "3"])
def test_a_model_that_fails_keeps_no_other_from_being_trained(
    n_workers: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVR_WORKERS", n_workers)
    write_params(folder, model={"correlation": "cca", "learning_rate": 1e30}, dscmr={"dropout": 2.0})
    with pytest.raises((DataError, ParamsError), match=r"lower learning_rate|baselines.dscmr.dropout"):
        train(folder, capsys)
    assert "train: 2 models failed: " in capsys.readouterr().err
    write_params(folder)
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
    assert train(folder, capsys) == ["kcca"]


TRAIN = every_model._train


def end_at_kcca(features: Path, training: finished.Training) -> object:
    if training.name == "kcca":
        os._exit(3)
    return TRAIN(features, training)


def test_a_section_that_dvc_does_not_watch_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_params(folder, {"cca": "evaluate"})
    with pytest.raises(ParamsError, match=r"models: section 'evaluate'; expected model or one below baselines"):
        train(folder, capsys)
    assert not (folder / "models").exists()


@pytest.mark.parametrize(("n_bytes", "expected"), [(1000, 4), (10**18, 1)])
def test_as_many_models_are_trained_at_a_time_as_memory_holds(
    n_bytes: int, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AVR_WORKERS", "4")
    monkeypatch.setenv("AVR_DEVICE", "cpu")
    with (tmp_path / "features").open("wb") as file:
        file.truncate(min(n_bytes, 2**43))  # holes take no room
    left = [finished.Training(str(i), "model", tmp_path, tmp_path, "") for i in range(9)]
    assert every_model._n_workers(tmp_path / "features", left) == expected


def test_models_share_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_DEVICE", "cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert every_model._has_gpu()
