"""Windows of long files: where they are, which files have some, and on which side of the split they fall."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.dataset.base import Found
from pipeline.dataset.leakage import leakage_counts
from pipeline.dataset.scan import scan
from pipeline.dataset.splits import assign_splits
from pipeline.dataset.summary import report
from pipeline.dataset.windows import in_windows, windows_of
from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip
from pipeline.video import write_mp4
from tests.helpers.dataset_params import dataset_params
from tests.helpers.joined import write_joined

quick = settings(max_examples=50, deadline=None, derandomize=True)
FILM_SECONDS = 65.0
SIX = [(0.0, 10.0), (10.0, 20.0), (20.0, 30.0), (30.0, 40.0), (40.0, 50.0), (50.0, 60.0)]


def write_film(path: Path, seconds: float = 5.0, seed: int = 0) -> Path:
    """A film of two pictures a second with noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * 16000)).astype(np.float32)
    write_mp4(path, [np.full((32, 32, 3), 80, np.uint8)] * round(2 * seconds), 2, sound, 16000)
    return path


def cut(folder: Path, clips: list[Clip], **changes: Any) -> list[Clip]:  # noqa: ANN401 - whatever a user may write
    params = dataset_params(source="folder", **{"window_seconds": 10.0, **changes})
    return in_windows(Found(folder, clips, []), params).clips


@pytest.fixture
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's params.yaml, and a cache of its own."""
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AVR_WORKERS", "1")


def test_the_last_window_ends_with_the_file() -> None:
    assert windows_of(FILM_SECONDS, 10.0, 10.0) == [*SIX, (55.0, 65.0)]
    assert windows_of(60.0, 10.0, 10.0) == windows_of(60.05, 10.0, 10.0) == SIX
    assert windows_of(12.0, 5.0, 2.5) == [(0.0, 5.0), (2.5, 7.5), (5.0, 10.0), (7.0, 12.0)]


@pytest.mark.parametrize("n_seconds", [0.0, 4.0, 10.0, 10.09])
def test_a_file_no_longer_than_a_window_has_none(n_seconds: float) -> None:
    assert windows_of(n_seconds, 10.0, 10.0) == []


@quick
@given(st.floats(0, 4000), st.floats(0.5, 60), st.floats(0.1, 1.0))
def test_windows_are_of_one_length_and_leave_no_second_out(n_seconds: float, window: float, fraction: float) -> None:
    windows = windows_of(n_seconds, window, max(0.1, window * fraction))
    if not windows:
        assert n_seconds <= window + 0.11
        return
    starts, ends = np.array(windows).T
    assert np.abs(ends - starts - window).max() < 0.011
    assert starts[0] == 0
    assert (starts[1:] > starts[:-1]).all()
    assert (starts[1:] <= ends[:-1] + 0.011).all()
    assert abs(ends[-1] - n_seconds) < 0.11


@pytest.mark.usefixtures("_alone")
def test_a_long_film_of_joined_clips_becomes_windows_and_a_short_one_stays(tmp_path: Path) -> None:
    (tmp_path / "videos/b").mkdir(parents=True)
    parts = [write_film(tmp_path / f"{seed}.mp4", seed=seed) for seed in range(2)]
    write_joined(tmp_path / "videos/b/long.mp4", [parts[k % 2] for k in range(round(FILM_SECONDS / 5))])
    write_film(tmp_path / "videos/a/short.mp4", seed=1)
    params = dataset_params(source="folder", path=tmp_path / "videos", window_seconds=10.0)
    whole = scan(params)[0]
    short, *windows = in_windows(whole, params).clips
    assert short == whole.clips[0]
    assert [clip.window for clip in windows] == [*SIX, (55.0, 65.0)]
    assert [clip.clip_id for clip in windows[:2]] == ["b/long.mp4#t=0,10", "b/long.mp4#t=10,20"]
    assert {clip.file_id for clip in windows} == {"b/long.mp4"}
    assert {(clip.path, clip.sha256, clip.label) for clip in windows} == {("b/long.mp4", whole.clips[1].sha256, "b")}
    (tmp_path / "videos/b/long.mp4").unlink()
    assert in_windows(whole, params).clips == [short, *windows]  # by the hash alone: no file is opened again


@pytest.mark.usefixtures("_alone")
def test_without_a_window_nothing_is_opened(tmp_path: Path) -> None:
    found = Found(tmp_path, [Clip(clip_id="gone", path="gone", label="x", sha256="0f")], [])
    assert in_windows(found, dataset_params(source="folder")) is found


@pytest.mark.usefixtures("_alone")
def test_events_and_what_cannot_be_read_stay_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = Clip(clip_id="film", path=write_film(tmp_path / "film.mp4", 12.0).name, label="x", sha256="")
    event = replace(film, clip_id="event", sha256="0f", start_seconds=1.0, end_seconds=2.0)
    (tmp_path / "damaged.mp4").write_bytes(b"no media")
    damaged = Clip(clip_id="damaged", path="damaged.mp4", label="x", sha256="0e")
    assert cut(tmp_path, [film, event, damaged]) == [film, event, damaged]
    said = "dataset: 0 files cut into 0 windows; 1 stay whole, as they have the times of an event; "
    assert f"{said}2 stay whole, as they have no length that can be read\n" in capsys.readouterr().out


@pytest.mark.usefixtures("_alone")
def test_more_windows_than_rows_of_a_table_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.dataset.windows.film_ends", lambda *_: {"film": 1e7})
    film = Clip(clip_id="film", path="film.mp4", label="x", sha256="0f")
    with pytest.raises(DataError, match=r"^10000000 windows; expected at most limits.table_rows=5000000: a long"):
        cut(tmp_path, [film], window_seconds=1.0)


@pytest.mark.parametrize("changes", [{"window_seconds": 10.0}, {"windows": "shots"}])
def test_a_source_without_videos_refuses_windows(changes: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match=r"^dataset: windows=.*: source 'features' has no videos; expected fixed and"):
        in_windows(Found(Path(), [], []), dataset_params(source="features", **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"window_hop_seconds": 5.0},
            r"window_hop_seconds=5.0, window_seconds=None; expected a hop of at most",
        ),
        (
            {"window_seconds": 5.0, "window_hop_seconds": 6.0},
            r"window_hop_seconds=6.0, window_seconds=5.0; expected a",
        ),
        ({"window_seconds": 0.0}, r"window_seconds\n.*greater than or equal to 0.1"),
        ({"window_seconds": float("inf")}, r"window_seconds\n.*finite"),
        ({"window_seconds": 5.0, "window_hop_seconds": 0.01}, r"window_hop_seconds\n.*greater than or equal to 0.1"),
    ],
)
def test_windows_that_cannot_be_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        dataset_params(**changes)


def films(n_classes: int, n_films: int) -> list[Clip]:
    """Films of two classes or more, each with bytes of its own."""
    names = [(f"c{label}", f"c{label}/{number:03}.mp4") for label in range(n_classes) for number in range(n_films)]
    return [Clip(clip_id=name, path=name, label=label, sha256=f"{k:064x}") for k, (label, name) in enumerate(names)]


def windows_in(clips: list[Clip], n_seconds: list[float], window: float) -> list[Clip]:
    return [
        part
        for clip, seconds in zip(clips, n_seconds, strict=True)
        for part in ([clip.part(*times) for times in windows_of(seconds, window, window / 2)] or [clip])
    ]


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(0, 9999), st.sampled_from([None, 0, 3]))
def test_no_split_parts_the_windows_of_a_file(seed: int, fold: int | None) -> None:
    rng = np.random.default_rng(seed)
    whole = films(3, int(rng.integers(5, 12)))
    parts = windows_in(whole, rng.uniform(1, 90, len(whole)).tolist(), 7.5)
    sides = {clip.clip_id: {clip.split} for clip in assign_splits(parts, dataset_params(seed=seed, fold=fold))}
    of_files: dict[str, set[str]] = {}
    for part in parts:
        of_files.setdefault(part.file_id, set()).update(sides[part.clip_id])
    assert all(len(splits) == 1 for splits in of_files.values())


@pytest.mark.parametrize("window", [4.0, 7.5, 60.0])
def test_films_of_one_length_fall_on_the_same_side_whatever_their_windows(window: float) -> None:
    whole = films(3, 12)
    expected = {clip.clip_id: clip.split for clip in assign_splits(whole, dataset_params())}
    parts = assign_splits(windows_in(whole, [60.0] * len(whole), window), dataset_params())
    assert {part.file_id: part.split for part in parts} == expected


def test_windows_are_no_copies_and_their_files_are_counted() -> None:
    first, second, copy = films(1, 3)
    copy = replace(copy, sha256=second.sha256)
    parts = assign_splits(windows_in(films(2, 6), [30.0] * 12, 10.0), dataset_params())
    assert report(parts)["n_files"] == 12
    assert report(parts)["leakage"]["duplicate_groups"] == 0
    assert leakage_counts(windows_in([first, second, copy], [30.0] * 3, 10.0))["duplicate_groups"] == 1
    assert "n_files" not in report(assign_splits(films(2, 6), dataset_params()))
