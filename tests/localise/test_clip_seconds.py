"""Clips second by second: what is paired with what, where the event lies, and which clips are passed over."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.dataset.sources.ave import find_clips
from pipeline.features.clip_vectors import FeaturesParams
from pipeline.features.pca import fit_pca, transform
from pipeline.formats.clips import Clip
from pipeline.formats.shards import write_shards
from pipeline.localise.clip_seconds import Seconds, read_seconds
from tests.helpers.dataset_params import dataset_params

N_SECONDS = 5
RNG = np.random.default_rng(0)
VECTORS = {name: RNG.normal(size=(N_SECONDS, 4)).astype(np.float32) for name in ("sound", "pictures")}
FITTED = fit_pca(RNG.normal(size=(20, 4)), 3)


def read(folder: Path, clips: list[Clip], scaling: str = "none", refused: str = "") -> list[Seconds]:
    """The seconds of clips that all have the same vectors; one may have no pictures."""
    params = FeaturesParams(
        audio="a",
        visual="v",
        audio_scaling=scaling,
        visual_components=3,
        whiten=True,
        epsilon=1e-4,  # type: ignore[arg-type]  # a word
    )
    times = {"sound": 0.96 * np.arange(N_SECONDS), "pictures": 0.5 + np.arange(N_SECONDS)}
    for name in times:
        ids = sorted({clip.clip_id for clip in clips} - ({refused} if name == "pictures" else set()))
        write_shards(folder / name, ids, lambda _, name=name: {"embeddings": VECTORS[name], "seconds": times[name]})
    return read_seconds(clips, {"audio": folder / "sound", "visual": folder / "pictures"}, params, FITTED)


def clip(name: str = "a", **of: Any) -> Clip:  # noqa: ANN401 - values of any field
    return Clip(**{"clip_id": name, "path": name, "label": "dog", "split": "test"} | of)


def test_a_second_is_a_picture_and_the_sound_around_it_as_the_models_see_them(tmp_path: Path) -> None:
    (of,) = read(tmp_path, [clip(start_seconds=1.0, end_seconds=3.0)], "vegas")
    np.testing.assert_allclose(of.audio, (VECTORS["sound"] - 128) / 256, rtol=1e-6)
    np.testing.assert_allclose(of.visual, transform(FITTED, VECTORS["pictures"], whiten=True, epsilon=1e-4))
    assert (of.label, of.start, of.length, of.can_be_located) == ("dog", 1, 2, True)


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(0.0, 5.0, (0, 5)), (1.6, None, (2, 3)), (0.4, 1.6, (0, 2)), (4.4, 60.0, (4, 1))]
)
def test_the_event_is_the_seconds_whose_middle_it_covers(
    tmp_path: Path, start: float, end: float | None, expected: tuple[int, int]
) -> None:
    (of,) = read(tmp_path, [clip(start_seconds=start, end_seconds=end)])
    assert (of.start, of.length) == expected
    assert of.can_be_located == (expected[1] < N_SECONDS)


def test_clips_of_train_without_times_without_a_second_or_refused_are_passed_over(tmp_path: Path) -> None:
    times = {"start_seconds": 1.0, "end_seconds": 3.0}
    clips = [
        clip("z", **times),
        clip("b", **times, label="cat"),
        clip("trained on", **times, split="train"),
        clip("no times"),
        clip("too short", start_seconds=0.6, end_seconds=0.9),
        clip("refused", **times),
    ]
    assert [of.label for of in read(tmp_path, clips, refused="refused")] == ["cat", "dog"]


def test_the_events_of_an_annotation_of_ave_are_those_of_its_seconds(tmp_path: Path) -> None:
    (tmp_path / "AVE").mkdir()
    rows = "Bark&AAAAAAAAAAA&good&1&3\nGoat&BBBBBBBBBBB&good&0&5\nBark&CCCCCCCCCCC&good&2&2\n"
    (tmp_path / "Annotations.txt").write_text(rows)
    for split, order in (("train", []), ("val", []), ("test", [2, 0, 1])):
        with h5py.File(tmp_path / f"{split}_order_match.h5", "w") as file:
            file["order"] = np.array(order, np.int64)
    clips = find_clips(dataset_params(source="ave", path=tmp_path, protocol="cml")).clips
    located = [(of.label, of.start, of.length, of.can_be_located) for of in read(tmp_path, clips)]
    assert located == [("Bark", 1, 2, True), ("Goat", 0, 5, False)]  # the third event has no length


def test_a_run_of_imported_features_has_no_seconds(tmp_path: Path) -> None:
    assert read(tmp_path, []) == []
