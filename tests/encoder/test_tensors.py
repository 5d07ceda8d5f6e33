"""The fits of a model in one file: each comes back as its own file had it, whatever model it is."""

import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from pipeline.encoder.tensors import read_fits, read_model, read_pca, write_tensors
from pipeline.errors import DataError, DiskError
from pipeline.features.pca import NO_PCA, Pca
from pipeline.model_parts.base import model_module
from pipeline.model_parts.seeds import fit_seeds, load_seeds
from pipeline.settings.params import load_params, model_sections
from tests.helpers.every_model import each_model
from tests.helpers.project import ROOT
from tests.model_parts.test_seeds import features

PARAMS = ROOT / "params.yaml"
PCA = Pca(np.arange(3.0), np.arange(6.0).reshape(2, 3), np.array([2.0, 1.0]))
FEW = {"epochs": 2, "seeds": [0, 3], "n_landmarks": 10, "n_components": 3, "classifier": "logistic"}


def fit(name: str, out: Path) -> None:
    params = load_params(model_sections(PARAMS)[name], model_module(name).Params, PARAMS)
    changes = {key: value for key, value in FEW.items() if key in type(params).model_fields}
    fit_seeds(name, params.model_copy(update=changes), features(), out)


@each_model
def test_every_fit_of_every_model_comes_back_to_the_byte(name: str, tmp_path: Path) -> None:
    fit(name, tmp_path / "model")
    fits = read_fits(tmp_path / "model")
    write_tensors(tmp_path / "one.safetensors", PCA, fits)
    write_tensors(tmp_path / "again.safetensors", PCA, dict(reversed(fits.items())))
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    table = features()
    for seed, expected in zip(fits, load_seeds(name, tmp_path / "model"), strict=True):
        model = read_model(tmp_path / "one.safetensors", name, seed)
        np.testing.assert_array_equal(model.embed_audio(table.audio), expected.embed_audio(table.audio))
        np.testing.assert_array_equal(model.embed_visual(table.visual), expected.embed_visual(table.visual))
        model.save(tmp_path / "back.safetensors")
        assert (tmp_path / "back.safetensors").read_bytes() == (
            tmp_path / "model" / f"seed-{seed}.safetensors"
        ).read_bytes()


def test_the_file_is_for_all_who_may_read_its_folder_and_names_its_tensors(tmp_path: Path) -> None:
    fit("cca", tmp_path / "model")
    write_tensors(tmp_path / "one.safetensors", PCA, read_fits(tmp_path / "model"))
    assert (tmp_path / "one.safetensors").stat().st_mode & 0o044
    with safe_open(tmp_path / "one.safetensors", framework="numpy") as file:
        assert {name.partition("/")[0] for name in file.keys()} == {"pca", "seed-0"}  # noqa: SIM118 - no dict


def test_the_pca_comes_back_and_an_empty_one_takes_no_place(tmp_path: Path) -> None:
    fit("cca", tmp_path / "model")
    fits = read_fits(tmp_path / "model")
    for pca in (PCA, NO_PCA):
        write_tensors(tmp_path / "one.safetensors", pca, fits)
        for expected, array in zip(pca, read_pca(tmp_path / "one.safetensors"), strict=True):
            np.testing.assert_array_equal(array, expected)


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.safetensors").write_bytes(b"no tensors")
    with pytest.raises(DataError, match=r"one\.safetensors: .*expected the tensors of an encoder"):
        read_pca(tmp_path / "one.safetensors")
    with pytest.raises(DataError, match=r"one\.safetensors: seed 0: .*expected the tensors of an encoder"):
        read_model(tmp_path / "one.safetensors", "cca", 0)
    with pytest.raises(DataError, match=r"no seed-N\.safetensors; expected a folder that the stage `train` wrote"):
        read_fits(tmp_path)
    (tmp_path / "seed-0.safetensors").write_bytes(b"no tensors")
    with pytest.raises(DataError, match=r"seed-0\.safetensors: .*expected a file that the stage `train` wrote"):
        read_fits(tmp_path)


def test_a_seed_that_is_not_there_is_refused(tmp_path: Path) -> None:
    fit("cca", tmp_path / "model")
    write_tensors(tmp_path / "one.safetensors", PCA, read_fits(tmp_path / "model"))
    with pytest.raises(DataError, match=r"one\.safetensors: seed 5: no '5' in it"):
        read_model(tmp_path / "one.safetensors", "cca", 5)


def test_a_full_temporary_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit("cca", tmp_path / "model")
    write_tensors(tmp_path / "one.safetensors", PCA, read_fits(tmp_path / "model"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(
            DiskError, match=rf"^{tmp_path}/.*File too large.*; expected room in .*, which TMPDIR names"
        ):
            read_model(tmp_path / "one.safetensors", "cca", 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
