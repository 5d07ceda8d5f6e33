"""The folder of a model: a file a seed, its history, and on which kind of device it was trained."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import DataError
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.provenance import read_provenance
from pipeline.model_parts.base import Pairs, model_module
from pipeline.model_parts.seeds import embed_seeds, embed_table, fit_seeds, is_left_out, load_seeds
from pipeline.settings.params import load_params
from tests.helpers.project import ROOT

N = 40


def features(splits: list[str] | None = None) -> FeatureTable:
    rng, labels = np.random.default_rng(0), np.arange(N) % 4
    audio, visual = (np.eye(4, 6)[labels] + rng.normal(size=(2, N, 6))).astype(np.float32)
    return FeatureTable(
        clip_ids=[f"clip {i}" for i in range(N)],
        splits=splits or ["train"] * 20 + ["validation"] * 10 + ["test"] * 10,
        labels=labels,
        classes=["a", "b", "c", "d"],
        audio=audio,
        visual=visual,
        provenance={},
    )


def fit(name: str, section: str, out: Path, **changes: object) -> None:
    params = load_params(section, model_module(name).Params, ROOT / "params.yaml").model_copy(update=changes)
    fit_seeds(name, params, features(), out)


def test_a_deep_model_leaves_a_file_a_seed_an_epoch_a_row_and_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVR_DEVICE", "cpu")
    fit("dscmr", "baselines.dscmr", tmp_path / "dscmr", seeds=[3, 10], epochs=2)
    assert {path.name for path in (tmp_path / "dscmr").iterdir()} == {
        "seed-3.safetensors",
        "seed-10.safetensors",
        "history.csv",
        "provenance.json",
    }
    heads, *rows = (tmp_path / "dscmr" / "history.csv").read_text().splitlines()
    assert heads == "seed,epoch,loss,validation_map"
    assert [row.split(",")[:2] for row in rows] == [["3", "0"], ["3", "1"], ["10", "0"], ["10", "1"]]
    assert read_provenance(tmp_path / "dscmr") == {"device": "cpu"}
    assert embed_table(load_seeds("dscmr", tmp_path / "dscmr"), features())[0].shape[:2] == (2, N)


def test_embeddings_stand_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    rows, seeds = features(), [2, 10]  # which draw other landmarks
    fit("kcca", "baselines.kcca", tmp_path / "kcca", seeds=seeds, n_landmarks=5)
    embed_seeds("kcca", tmp_path / "kcca", rows, tmp_path / "out" / "kcca.npz")
    params = load_params("baselines.kcca", model_module("kcca").Params, ROOT / "params.yaml")
    expected = []
    for seed in seeds:
        model = model_module("kcca").Model(params.model_copy(update={"n_landmarks": 5}), seed)
        model.fit(Pairs(*rows.rows("train")), Pairs(*rows.rows("validation")))
        expected.append(model.embed_audio(rows.audio))
    with np.load(tmp_path / "out" / "kcca.npz") as file:
        np.testing.assert_allclose(file["audio"], expected, rtol=1e-5)
    assert not np.allclose(*expected)


def test_a_closed_form_is_computed_on_the_cpu_and_has_no_epochs(tmp_path: Path) -> None:
    fit("c_cca", "baselines.c_cca", tmp_path / "c_cca", n_components=3)
    assert (tmp_path / "c_cca" / "history.csv").read_text() == "seed\n"
    assert read_provenance(tmp_path / "c_cca") == {"device": "cpu"}


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="no CUDA device"
)
def test_a_model_that_was_trained_on_a_gpu_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_DEVICE", "cuda")
    fit("dscmr", "baselines.dscmr", tmp_path, seeds=[0], epochs=1)
    assert read_provenance(tmp_path) == {"device": "cuda"}


def test_a_split_without_clips_stops_before_anything_is_written(tmp_path: Path) -> None:
    params = load_params("baselines.c_cca", model_module("c_cca").Params, ROOT / "params.yaml")
    with pytest.raises(DataError, match="no row of split 'validation'; expected at least one"):
        fit_seeds("c_cca", params, features(["train"] * N), tmp_path / "c_cca")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_models_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no seed-N.safetensors; expected a folder that the stage `train` wrote"):
        load_seeds("c_cca", tmp_path)


def test_a_model_of_labels_is_left_out_where_no_train_clip_has_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = features()
    bare = replace(table, labels=np.where(np.arange(N) < 20, -1, table.labels))
    params = load_params("baselines.c_cca", model_module("c_cca").Params, ROOT / "params.yaml")
    fit_seeds("c_cca", params, bare, tmp_path / "c_cca")
    why = "it learns from labels, and no train clip has one"
    assert capsys.readouterr().err == f"train: c_cca is left out: {why}\n"
    assert read_provenance(tmp_path / "c_cca") == {"left_out": why}
    assert is_left_out(tmp_path / "c_cca")
    assert (tmp_path / "c_cca" / "history.csv").read_text() == "seed\n"
    assert [rows.shape for rows in embed_table([], bare)] == [(0, N, 0)] * 2


def test_a_model_of_pairs_is_fitted_all_the_same(tmp_path: Path) -> None:
    bare = replace(features(), labels=np.full(N, -1), classes=[])
    params = load_params("baselines.cca", model_module("cca").Params, ROOT / "params.yaml")
    fit_seeds("cca", params, bare, tmp_path / "cca")
    assert not is_left_out(tmp_path / "cca")
