"""One stage trains all models: what is finished comes from the cache, and how many at a time changes no byte."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.errors import DataError, ParamsError
from pipeline.formats import stored_features
from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts import finished, seeds
from pipeline.model_parts.every_model import train_models
from pipeline.settings import fingerprint
from pipeline.settings.fingerprint import code_hash
from pipeline.settings.params import StageParams
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

N = 40
MODELS = {"dual_subspace": "model", "cca": "baselines.cca", "kcca": "baselines.kcca", "dscmr": "baselines.dscmr"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with features and params of four models."""
    enter(tmp_path, monkeypatch)
    write_features(tmp_path)
    write_params(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a folder in which the four models were trained, with its cache; nothing is written to it."""
    made = tmp_path_factory.mktemp("trained")
    write_features(made)
    write_params(made)
    with pytest.MonkeyPatch.context() as patch:
        enter(made, patch)
        train_models(made / "features.safetensors", made / "models", made / "embeddings")
    return made


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is now the current folder."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    enter(tmp_path, monkeypatch)
    return tmp_path


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder the current one, with a cache of its own and one worker."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AVR_DEVICE", "cpu")
    monkeypatch.setenv("AVR_WORKERS", "1")
    monkeypatch.setenv("AVR_CACHE_DIR", str(folder / "cache"))


def write_features(folder: Path) -> None:
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
    table.save(folder / "features.safetensors")


def write_params(folder: Path, models: Mapping[str, str] = MODELS, **changes: Mapping[str, object]) -> None:
    params = read_yaml((ROOT / "params.yaml").read_text()) | {"models": dict(models)}
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


def gone(folder: Path) -> None:
    """Remove the outs, as DVC does before it runs a stage."""
    for name in ("models", "embeddings"):
        shutil.rmtree(folder / name)


def test_all_models_are_trained_and_kept_the_next_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(folder, capsys) == list(MODELS)
    before = written(folder)
    assert {name.split("/")[1] for name in before if name.startswith("models/")} == set(MODELS)
    assert [name for name in before if name.startswith("emb")] == [f"embeddings/{name}.npz" for name in sorted(MODELS)]
    gone(folder)
    assert train(folder, capsys) == []
    assert written(folder) == before


def test_where_all_is_finished_torch_is_not_loaded(trained: Path) -> None:
    call = "every_model.train_models('features.safetensors', 'models', 'embeddings')"
    code = f"import sys; from pipeline.model_parts import every_model; {call}; print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said == "train: 0 of 4 models to train\nFalse\n"


def test_a_value_that_comes_back_brings_its_fits_back(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(trained)
    write_params(trained, model={"lambda_corr": 0.5})
    assert train(trained, capsys) == ["dual_subspace"]
    write_params(trained)
    assert train(trained, capsys) == []
    assert written(trained) == before


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
    trained: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = written(trained)
    write_params(trained, **changes)
    assert train(trained, capsys) == expected
    changed = {name for name, digest in written(trained).items() if before.get(name) != digest}
    assert changed
    assert all(f"/{expected[0]}" in name for name in changed)
    assert ("models/dscmr/seed-1.safetensors" in written(trained)) == (expected != ["dscmr"])


def test_a_new_model_is_trained_alone(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone(trained)
    write_params(trained, {"cca": "baselines.cca", "c_cca": "baselines.c_cca"}, c_cca={"n_components": 3})
    assert train(trained, capsys) == ["c_cca"]
    assert {name.split("/")[1] for name in written(trained)} == {"cca", "c_cca", "cca.npz", "c_cca.npz"}


@pytest.mark.parametrize("place", [0.0, 0.5, 0.99])
def test_a_kept_model_that_a_disk_has_damaged_is_trained_again(
    place: float, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(trained)
    entry = min((trained / "cache/clips/train").rglob("*.safetensors"), key=lambda path: path.stat().st_size)
    data = bytearray(entry.read_bytes())
    data[int(place * len(data))] ^= 1
    entry.write_bytes(data)
    assert train(trained, capsys) == ["cca"]
    assert written(trained) == before


def test_other_features_train_every_model(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = FeatureTable.load(trained / "features.safetensors")
    table.audio[0, 0] += 1
    table.save(trained / "features.safetensors")
    assert train(trained, capsys) == list(MODELS)


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ("models/kcca.py", ["kcca"]),
        ("model_parts/training.py", ["dual_subspace", "dscmr"]),
        ("model_parts/every_model.py", list(MODELS)),
        ("formats/shards.py", list(MODELS)),
        ("evaluate/metrics.py", []),
    ],
)
def test_an_edit_of_code_trains_the_models_that_are_made_of_it(
    edited: str,
    expected: list[str],
    trained: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (finished, fingerprint):
        monkeypatch.setattr(module, "code_hash", lambda file: edited if str(file).endswith(edited) else code_hash(file))
    assert train(trained, capsys) == expected


def test_a_section_that_dvc_does_not_watch_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_params(folder, {"cca": "evaluate"})
    with pytest.raises(ParamsError, match=r"models: section 'evaluate'; expected model or one below baselines"):
        train(folder, capsys)
    assert not (folder / "models").exists()


def test_an_error_of_a_library_is_that_of_its_model_alone(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = seeds.fit_seeds
    monkeypatch.setattr(seeds, "fit_seeds", lambda name, *rest: 1 / 0 if name == "cca" else fit(name, *rest))
    with pytest.raises(DataError, match="model cca: ZeroDivisionError: division by zero; expected it to be trained"):
        train(folder, capsys)
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["dscmr", "dual_subspace", "kcca"]


def test_streamed_features_give_the_same_files_and_keep_no_embeddings(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {name: MODELS[name] for name in ("dual_subspace", "dscmr")}
    write_params(folder, models)
    train(folder, capsys)
    in_memory = written(folder)
    gone(folder)
    monkeypatch.setattr(stored_features, "STREAMED_FROM_BYTES", 0)
    monkeypatch.setenv("AVR_CACHE_DIR", str(folder / "another cache"))
    assert train(folder, capsys) == list(models)
    assert written(folder) == in_memory
    kept = sum(path.stat().st_size for path in (folder / "another cache").rglob("*.safetensors"))
    assert kept < sum(path.stat().st_size for path in (folder / "cache").rglob("*.safetensors"))
    gone(folder)
    assert train(folder, capsys) == []  # embedded again
    assert written(folder) == in_memory


def test_fits_on_features_that_were_replaced_meanwhile_are_not_kept(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(folder, {"cca": MODELS["cca"]})
    features, fit = folder / "features.safetensors", seeds.fit_seeds

    def replace_behind(name: str, params: StageParams, table: FeatureTable, out: Path) -> bool:
        is_first = fit(name, params, table, out)
        shutil.copy(features, features.with_name("other"))
        features.with_name("other").replace(features)
        return is_first

    monkeypatch.setattr(seeds, "fit_seeds", replace_behind)
    with pytest.raises(DataError, match=r"features.safetensors: changed while models were trained on it"):
        train(folder, capsys)
    monkeypatch.setattr(seeds, "fit_seeds", fit)
    assert words(capsys) == train(folder, capsys) == ["cca"]
