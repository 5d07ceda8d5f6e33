from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.formats.shards import read_shards
from pipeline.separation.locating import LOCATED, write_located
from pipeline.separation.parts.base import LocatingSeparator, View
from tests.helpers.talkers import FACTS, talking_clips


class Looking:
    """Its heat is the brightness of the frames, its distances the first frame less the first sample."""

    uses_views: ClassVar[bool] = True
    facts = FACTS

    def heat(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        return np.stack([view.frames.mean(axis=-1) for view in views]).astype(np.float32)

    def distances(self, sounds: NDArray[np.float32], frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (frames[:, 0, 0, 0, 0] - sounds[:, 0]).astype(np.float32)


def test_heat_is_the_mean_over_time_and_films_meet_their_own_sound_and_that_of_a_second_away(tmp_path: Path) -> None:
    clips = talking_clips(tmp_path, 1, "test", seconds=5.5)
    separators: list[Any] = [Looking(), Looking()]
    assert isinstance(separators[0], LocatingSeparator)
    write_located(separators, clips, tmp_path / "out")
    read = dict(read_shards(tmp_path / "out" / LOCATED))
    assert sorted(read) == ["p0/0.mp4", "p0/1.mp4"]
    for name, arrays in read.items():
        film, sound = clips.whole_film(name), clips.sound(name)
        assert (arrays["heat"].shape, arrays["aligned"].shape, arrays["shifted"].shape) == ((2, 16, 16), (2, 3), (2, 3))
        np.testing.assert_allclose(arrays["heat"][0], film.mean(axis=(0, -1)), rtol=1e-5)
        first = film[:, 0, 0, 0].astype(float)
        np.testing.assert_allclose(arrays["aligned"][1], [first[8 * k] - sound[8000 * k] for k in (0, 1, 2)], rtol=1e-5)
        pairs = ((0, 1), (1, 2), (2, 1))
        np.testing.assert_allclose(arrays["shifted"][1], [first[8 * k] - sound[8000 * j] for k, j in pairs], rtol=1e-5)


def test_a_clip_that_is_too_short_has_heat_and_no_films(tmp_path: Path) -> None:
    write_located([Looking()], talking_clips(tmp_path, 1, "test", seconds=3.5), tmp_path / "out")  # type: ignore[list-item]  # a stand-in, of which no more is used
    for _, arrays in read_shards(tmp_path / "out" / LOCATED):
        assert (arrays["heat"].shape, arrays["aligned"].shape) == ((1, 16, 16), (1, 0))


def test_a_separator_that_locates_nothing_has_no_clips(tmp_path: Path) -> None:
    write_located([object()], talking_clips(tmp_path, 1, "test"), tmp_path / "out")  # type: ignore[list-item]  # a stand-in, of which no more is used
    assert dict(read_shards(tmp_path / "out" / LOCATED)) == {}
