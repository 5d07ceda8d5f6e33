"""An encoder alone gives what the stages write, for every model; what it was made of decides its fingerprint."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.encoder import Embedded, Encoder
from pipeline.errors import ClipError, DataError
from pipeline.network_parts.base import Modality
from tests.helpers.encoders import MadeEncoder, make_encoder, with_plain_networks
from tests.helpers.every_model import FITTED
from tests.helpers.project import write_video
from tests.helpers.synthetic import sine

OF_EVERY_KIND = ("c_cca", "dscmr", "dual_subspace", "label_probabilities", "vae_cca")
MODALITIES: tuple[Modality, ...] = ("audio", "visual")
each_modality = pytest.mark.parametrize("modality", MODALITIES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeEncoder:
    return made_in(tmp_path_factory.mktemp("run"))


def made_in(folder: Path, name: str = "dual_subspace", *, imported: bool = False, **changes: object) -> MadeEncoder:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return make_encoder(folder, name, imported=imported, **changes)
    finally:
        os.chdir(before)


@pytest.fixture(autouse=True)
def _in_a_folder_without_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def models() -> list[object]:
    """All of them, those of every kind in the fast tests."""
    marks = {name: () if name in OF_EVERY_KIND else pytest.mark.slow for name in FITTED}
    return [pytest.param(name, marks=mark) for name, mark in marks.items()]


@pytest.mark.parametrize("name", models())
def test_every_model_gives_the_rows_of_the_stages_alone_and_in_a_batch(name: str, tmp_path: Path) -> None:
    made = made_in(tmp_path, name)
    seeds = made.load().config.model.seeds
    for place, seed in enumerate(seeds):
        encoder = made.load(seed)
        for modality in MODALITIES:
            expected = unit(made.rows[modality][place])
            alone = np.stack([encoder.joint(modality, vectors) for vectors in made.vectors[modality]])
            np.testing.assert_allclose(alone, expected, atol=1e-6, rtol=0)
            together = encoder.joints(modality, made.vectors[modality])
            np.testing.assert_allclose(together, alone, atol=1e-6, rtol=0)  # equal on Intel, on AMD with AVX-512 not
            assert (alone.dtype, alone.shape[1]) == (np.float32, encoder.width)


def test_imported_features_have_joint_vectors_and_no_way_from_a_file(tmp_path: Path) -> None:
    made = made_in(tmp_path, "cca", imported=True)
    encoder = made.load()
    rows = np.stack([encoder.joint("visual", features) for features in made.vectors["visual"]])
    np.testing.assert_allclose(rows, unit(made.rows["visual"][0]), atol=1e-6, rtol=0)
    for embed in (encoder.embed, encoder.embed_audio, encoder.embed_visual):
        with pytest.raises(DataError, match=r"imported features, so no network makes \w+ vectors .*width 12 through j"):
            embed("clip.mp4")


@each_modality
def test_a_stretch_of_time_is_the_mean_of_its_vectors(made: MadeEncoder, modality: Modality) -> None:
    encoder, vectors = made.load(), made.vectors[modality][3]
    mean = vectors[1:3].astype(np.float64).mean(axis=0, keepdims=True)
    np.testing.assert_allclose(encoder.joint(modality, vectors[1:3]), encoder.joint(modality, mean), atol=1e-6)


@each_modality
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda vectors: vectors[:, 1:], r"\w+ vectors: shape .*; expected \(n, \d+\)"),
        (lambda vectors: vectors[0], r"\w+ vectors: shape .*; expected \(n, \d+\)"),
        (lambda vectors: vectors[:0], r"\w+ vectors: none; expected at least one"),
        (lambda vectors: vectors * np.nan, r"\w+ vectors: row 0 has NaN"),
    ],
)
def test_vectors_that_the_model_cannot_take_are_refused(
    made: MadeEncoder,
    modality: Modality,
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        made.load().joint(modality, change(made.vectors[modality][3]))


def test_it_says_what_it_is(made: MadeEncoder) -> None:
    encoder = made.load()
    assert (encoder.model, encoder.classes, encoder.seed) == ("dual_subspace", ["bark", "meow", "moo"], 0)
    assert encoder.config.provenance["dataset"]["n_train"] == 25
    assert encoder.config.networks["audio"].facts["sha256"] == "a" * 64


def test_the_fingerprint_is_that_of_what_decides_a_vector(made: MadeEncoder, tmp_path: Path) -> None:
    same, prints = made_in(tmp_path).load().fingerprint, [made.load(seed).fingerprint for seed in (0, 1)]
    assert same == prints[0]
    assert len(set(prints)) == 2
    config = json.loads((made.folder / "config.json").read_text())
    for keys, value in {("metrics", "chance", "map"): 0.1, ("features", "epsilon"): 0.5}.items():
        *path, last = keys
        part = changed = json.loads(json.dumps(config))
        for key in path:
            part = part[key]
        part[last] = value
        (tmp_path / "encoder" / "config.json").write_text(json.dumps(changed))
        assert (Encoder.load(tmp_path / "encoder").fingerprint == same) == (keys[0] == "metrics")


def test_a_seed_that_was_not_fitted_is_refused(made: MadeEncoder) -> None:
    with pytest.raises(DataError, match=r"no fit of seed 7; expected one of \[0, 1\]"):
        made.load(7)


def test_a_file_gives_the_sides_that_it_has(made: MadeEncoder, tmp_path: Path) -> None:
    encoder = made.load()
    with_plain_networks(encoder)
    write_video(tmp_path / "clip.mp4", 0)
    audio, visual = encoder.embed(tmp_path / "clip.mp4")
    np.testing.assert_array_equal(audio, encoder.embed_audio(str(tmp_path / "clip.mp4")))
    np.testing.assert_array_equal(visual, encoder.embed_visual(tmp_path / "clip.mp4"))
    assert encoder.visual_vectors("clip.mp4")[1].tolist() == [0.5, 1.5]
    assert encoder.audio_vectors("clip.mp4")[1].tolist() == pytest.approx([0.0, 0.96], abs=0.01)
    (tmp_path / "text.mp4").write_text("no media")
    with pytest.raises(ClipError, match="no format that FFmpeg knows"):
        encoder.embed("text.mp4")


def test_a_waveform_alone_becomes_what_the_same_sound_in_a_file_does(made: MadeEncoder, tmp_path: Path) -> None:
    from scipy.io import wavfile

    encoder = made.load()
    with_plain_networks(encoder)
    waveform = sine(440, 0.5, 3.0, 16000)
    wavfile.write(tmp_path / "sine.wav", 16000, waveform)  # 32-bit floating
    vectors, seconds = encoder.audio_vectors(waveform)
    of_file, seconds_of_file = encoder.audio_vectors(tmp_path / "sine.wav")
    np.testing.assert_allclose(vectors, of_file, atol=1e-5)
    np.testing.assert_array_equal(seconds, seconds_of_file)
    assert encoder.embed(tmp_path / "sine.wav").visual is None
    assert isinstance(encoder.embed(tmp_path / "sine.wav"), Embedded)


def test_what_is_neither_a_path_nor_an_array_is_refused(made: MadeEncoder) -> None:
    encoder = made.load()
    with_plain_networks(encoder)
    with pytest.raises(DataError, match="list: neither a path nor a NumPy array"):
        encoder.audio_vectors([0.0, 0.1])  # type: ignore[arg-type]  # what is refused
