"""Shots: films with cuts at known times, and what is done with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset.base import Found
from pipeline.dataset.shots import cuts_of_film, shots_between
from pipeline.dataset.windows import in_windows
from pipeline.errors import ClipError, ParamsError
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from pipeline.video import Bounds, write_mp4
from tests.helpers.dataset_params import dataset_params

PICTURES_PER_SECOND = 10
CLIP = Clip(clip_id="film.mp4", path="film.mp4", label="x", sha256="0f")


def write_shots(path: Path, lengths: Sequence[float], seed: int = 0) -> Path:
    """A film whose shots have so many seconds: scenes of other colours, over which the camera moves."""
    rng, pictures = np.random.default_rng(seed), []
    for number, seconds in enumerate(lengths):
        blocks = rng.integers(0, 90, (6, 12, 3)) + (number % 2) * 160
        scene = np.kron(blocks, np.ones((16, 16, 1))).astype(np.uint8)
        pictures += [scene[:, k : k + 96] for k in range(round(seconds * PICTURES_PER_SECOND))]
    sound = np.zeros(round(sum(lengths) * 16000), np.float32)
    write_mp4(path, pictures, PICTURES_PER_SECOND, sound, 16000)
    return path


@pytest.mark.parametrize("lengths", [[3.0, 4.5, 2.0], [2.0, 2.0], [6.0]])
def test_cuts_are_found_where_they_are(tmp_path: Path, lengths: list[float]) -> None:
    film = write_shots(tmp_path / "film.mp4", lengths)
    found = cuts_of_film(CLIP, film, bounds=Bounds())["seconds"]
    np.testing.assert_allclose(found, np.cumsum(lengths)[:-1], atol=0.1 + 1e-9)


def test_a_film_of_more_pictures_than_a_clip_may_keep_is_looked_at_all_the_same(tmp_path: Path) -> None:
    film = write_shots(tmp_path / "film.mp4", [2.0, 3.0])
    assert len(cuts_of_film(CLIP, film, bounds=Bounds(rows_per_clip=3))["seconds"]) == 1
    with pytest.raises(ClipError, match=r"5 s.*; expected at most limits.clip_seconds=4"):
        cuts_of_film(CLIP, film, bounds=Bounds(clip_seconds=4))


def clip_of(film: Path) -> Clip:
    return Clip(clip_id=film.name, path=film.name, label="x", sha256=file_sha256(film))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 60)), st.floats(0.5, 60))
def test_shots_follow_each_other_and_none_is_short_but_a_whole_film(cuts: list[float], end: float) -> None:
    shots = shots_between(sorted(cut for cut in cuts if cut < end), end)
    starts, ends = zip(*shots, strict=True)
    assert (starts[0], ends[-1]) == (0, end)
    assert starts[1:] == ends[:-1]
    assert len(shots) == 1 or (min(np.subtract(ends, starts)) >= 1 and ends[-1] - starts[-1] >= 1.5)
    assert {*starts[1:]} <= {*cuts}


@pytest.fixture
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache and one worker of its own."""
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AVR_WORKERS", "1")


def cut(folder: Path, clips: list[Clip], **changes: Any) -> list[Clip]:  # noqa: ANN401 - whatever a user may write
    return in_windows(Found(folder, clips, []), dataset_params(source="folder", windows="shots", **changes)).clips


@pytest.mark.usefixtures("_alone")
def test_files_become_their_shots_and_long_shots_windows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = clip_of(write_shots(tmp_path / "film.mp4", [3.0, 7.5, 2.0]))
    still = clip_of(write_shots(tmp_path / "still.mp4", [4.0]))
    shots = cut(tmp_path, [film, still])
    assert [clip.window for clip in shots] == [(0.0, 3.0), (3.0, 10.5), (10.5, 12.5), None]
    assert capsys.readouterr().out == "dataset: 1 files cut into 3 windows\n"
    parts = cut(tmp_path, [film, still], window_seconds=3.0)
    assert [clip.window for clip in parts] == [
        (0.0, 3.0),
        *((3.0, 6.0), (6.0, 9.0), (7.5, 10.5)),
        (10.5, 12.5),
        *((0.0, 3.0), (1.0, 4.0)),
    ]
    (tmp_path / "film.mp4").unlink()
    assert cut(tmp_path, [film, still]) == shots  # by the hash alone: no file is decoded again


@pytest.mark.usefixtures("_alone")
def test_what_cannot_be_decoded_stays_whole(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no media")
    damaged = clip_of(tmp_path / "film.mp4")
    assert cut(tmp_path, [damaged]) == [damaged]


@pytest.mark.usefixtures("_alone")
def test_without_the_extra_the_message_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.dataset.shots.find_spec", lambda _: None)
    with pytest.raises(ParamsError, match=r"dataset.windows=shots: PySceneDetect is not installed; .*-e '.\[shots\]'"):
        cut(tmp_path, [CLIP])


@pytest.mark.usefixtures("_alone")
def test_a_film_whose_shots_take_too_long_is_cut_by_the_clock_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    film = clip_of(write_shots(tmp_path / "film.mp4", [3.0, 4.0]))
    monkeypatch.setattr("pipeline.dataset.windows.film_cuts", lambda *_: {})
    windows = cut(tmp_path, [film], window_seconds=4.0)
    assert [clip.window for clip in windows] == [(0.0, 4.0), (3.0, 7.0)]
    said = capsys.readouterr()
    assert "the shots of 1 files cannot be found, such as 'film.mp4'" in said.err
    assert said.out == "dataset: 1 files cut into 2 windows\n"
