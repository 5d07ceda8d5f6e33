"""Fits on features that stay in their file: what a fit in memory gives, and who cannot be fitted so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from pipeline.formats import stored_features
from pipeline.formats.csv_rows import read_rows
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.provenance import read_provenance
from pipeline.formats.stored_features import StoredFeatures, open_features
from pipeline.model_parts import row_blocks, shuffled_rows
from pipeline.model_parts.base import model_module
from pipeline.model_parts.seeds import embed_seeds, fit_seeds
from pipeline.model_parts.streamed import StreamedPairs
from pipeline.models import dual_subspace
from pipeline.settings.params import load_params, model_sections
from tests.helpers.pretended_gpu import pretended_gpu
from tests.helpers.project import ROOT

N = 150


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureTable:
    """Features, also in a file from which any size is streamed."""
    monkeypatch.setenv("AVR_DEVICE", "cpu")
    monkeypatch.setattr(stored_features, "STREAMED_FROM_BYTES", 0)
    rng, labels = np.random.default_rng(0), np.arange(N) % 5
    audio, visual = (np.eye(5, 8)[labels] + rng.normal(2, 1, size=(2, N, 8))).astype(np.float32)
    splits = rng.choice(["train", "validation", "test"], N, p=[0.6, 0.2, 0.2]).tolist()
    made = FeatureTable(
        clip_ids=[f"clip {i}" for i in range(N)],
        splits=splits,
        labels=np.where(np.arange(N) % 7 == 0, -1, labels),
        classes=list("abcde"),
        audio=audio,
        visual=visual,
        provenance={},
    )
    made.save(tmp_path / "features.safetensors")
    return made


def fit(name: str, table: FeatureTable, folder: Path, way: str, **changes: object) -> dict[str, NDArray[np.float32]]:
    """The weights and the embeddings of a fit in memory, or on the table's file."""
    section = model_sections(ROOT / "params.yaml")[name]
    params = load_params(section, model_module(name).Params, ROOT / "params.yaml")
    known = {key: value for key, value in ({"epochs": 2, "seeds": [3]} | changes).items() if hasattr(params, key)}
    features = table if way == "memory" else open_features(folder / "features.safetensors")
    fit_seeds(name, params.model_copy(update=known), features, folder / way)
    embed_seeds(name, folder / way, features, folder / f"{way}.npz")
    with np.load(folder / f"{way}.npz") as embedded:
        embeddings = {key: embedded[key] for key in ("audio", "visual")}
    return load_file(next((folder / way).glob("seed-*.safetensors"))) | embeddings


CASES = [
    ("dual_subspace", {}),
    ("cca", {}),
    ("c_cca", {}),
    pytest.param("dual_subspace", {"fusion": "cca", "patience": 1}, marks=pytest.mark.slow),
    pytest.param("label_probabilities", {"classifier": "mlp"}, marks=pytest.mark.slow),
    pytest.param("vae_cca", {}, marks=pytest.mark.slow),
    pytest.param("c_dcca", {"batch_size": 150}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "changes"), CASES)
def test_a_fit_on_a_file_is_the_fit_in_memory(
    table: FeatureTable, tmp_path: Path, name: str, changes: dict[str, object]
) -> None:
    in_memory, streamed = (fit(name, table, tmp_path, way, **changes) for way in ("memory", "file"))
    assert in_memory.keys() == streamed.keys()
    for key, weights in in_memory.items():
        np.testing.assert_allclose(streamed[key], weights, atol=1e-6, err_msg=key)
    in_words = [read_rows(tmp_path / way / "history.csv") for way in ("memory", "file")]
    numbers = [[[float(number) for number in row.values()] for row in rows] for rows in in_words]
    np.testing.assert_allclose(numbers[0], numbers[1], atol=1e-5)


def test_a_fit_of_several_buffers_has_the_loss_of_all_rows(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each epoch's loss is the mean over all train rows, whatever the buffers hold: without a step it is the same."""
    changes = {"learning_rate": 1e-12, "dropout": 0.0, "batch_size": 10, "epochs": 3}
    fit("dual_subspace", table, tmp_path, "memory", **changes)
    monkeypatch.setattr(shuffled_rows, "BUFFER_BYTES", 20 * 16 * 4)
    fit("dual_subspace", table, tmp_path, "file", **changes)
    losses = [[float(row["loss"]) for row in read_rows(tmp_path / way / "history.csv")] for way in ("memory", "file")]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)  # a minibatch's correlation depends on who is in it


@pytest.mark.parametrize("name", ["dual_subspace", "cca", "c_cca"])
def test_of_several_blocks_statistics_differ_by_their_rounding(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One feature is a constant, whose sums round otherwise in a shorter block: its deviation is 0 all the same."""
    table.audio[:, 3] = 123.456
    table.save(tmp_path / "features.safetensors")
    monkeypatch.setattr(row_blocks, "ROWS_AT_ONCE", 32)
    in_memory, streamed = (fit(name, table, tmp_path, way) for way in ("memory", "file"))
    for key, weights in in_memory.items():
        np.testing.assert_allclose(streamed[key], weights, atol=1e-5, err_msg=key)


@pytest.mark.slow
def test_without_a_label_pairs_are_streamed_too(table: FeatureTable, tmp_path: Path) -> None:
    bare = replace(table, labels=np.full(N, -1), classes=[])
    bare.save(tmp_path / "features.safetensors")
    in_memory, streamed = (fit("dual_subspace", bare, tmp_path, way) for way in ("memory", "file"))
    for key, weights in in_memory.items():
        np.testing.assert_allclose(streamed[key], weights, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("name", ["kcca", "label_probabilities"])
def test_a_model_that_takes_all_rows_at_once_is_left_out(table: FeatureTable, tmp_path: Path, name: str) -> None:
    features = open_features(tmp_path / "features.safetensors")
    params = load_params(model_sections(ROOT / "params.yaml")[name], model_module(name).Params, ROOT / "params.yaml")
    assert fit_seeds(name, params, features, tmp_path / name)
    n_train = list(table.splits).count("train")
    why = read_provenance(tmp_path / name)["left_out"]
    assert str(why).startswith(f"it takes all {n_train} train rows into memory")
    assert not list((tmp_path / name).glob("*.safetensors"))
    embed_seeds(name, tmp_path / name, features, tmp_path / "embeddings.npz")
    assert EmbeddedClips.load(tmp_path / "embeddings.npz").audio.shape == (0, len(table.clip_ids), 0)


@pytest.mark.slow
def test_a_gpu_learns_from_a_file_what_a_cpu_does(table: FeatureTable, tmp_path: Path) -> None:
    def embedded() -> NDArray[np.float32]:
        params = load_params("model", dual_subspace.Params, ROOT / "params.yaml")
        model = dual_subspace.Model(params.model_copy(update={"epochs": 2, "fusion": "cluster_cca"}), 0)
        stored = open_features(tmp_path / "features.safetensors")
        assert isinstance(stored, StoredFeatures)
        train, validation = (StreamedPairs(*stored.rows(split)) for split in ("train", "validation"))
        model.fit_streamed(train, validation, tmp_path)
        return model.embed_audio(table.audio)

    on_cpu = embedded()
    with pretended_gpu():
        on_gpu = embedded()
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-5)
