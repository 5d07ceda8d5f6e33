"""Where faces are in a film: ``tracks.csv``, a row for a track and a time, at least one a second.

Its columns are ``track``, ``seconds`` from the film's first picture, and ``x, y, width, height`` of a box in pixels of
the upright picture, straight in time between two rows. ``clip_id`` names the film where there are several; ``mouth_x,
mouth_y, mouth_side`` say where the mouth is, which otherwise is a fixed part of the box.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError, DataError
from pipeline.formats.csv_rows import parse_rows
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular, open_regular_text

BOX = ("x", "y", "width", "height")
MOUTH = ("mouth_x", "mouth_y", "mouth_side")
NEEDED = ("track", "seconds", *BOX)
MOST_BETWEEN_ROWS = 1.0  # seconds
MOST_JUMP = 0.5  # of a box's width, from one row to the next
_SLACK_PIXELS = 1.0  # a box may be so much outside of the picture, by rounding
_SLACK_SECONDS = 1e-6
_NAME = re.compile(r"\w[\w .-]{0,63}")  # it becomes the name of a file


class FaceTrack(NamedTuple):
    """The boxes of one face.

    Attributes:
        name: of the track.
        rows: int64 (n,), their numbers in the file, the header being row 1.
        seconds: float64 (n,), rising, from the film's first picture.
        boxes: float64 (n, 4), left, top, width, height.
        mouths: float64 (n, 3), the centre and the side of the mouth's square; None: a fixed part of the box.
    """

    name: str
    rows: NDArray[np.int64]
    seconds: NDArray[np.float64]
    boxes: NDArray[np.float64]
    mouths: NDArray[np.float64] | None = None

    def face(self, picture: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        """Return what the box holds at a time, (height, width, 3), of a picture (height, width, 3)."""
        return _cut(picture, *self.box(seconds))

    def box(self, seconds: float) -> tuple[float, float, float, float]:
        """Return the box at a time: left, top, width, height in pixels."""
        left, top, width, height = self._at(self.boxes, seconds)
        return left, top, width, height

    def mouth(self, picture: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8] | None:
        """Return the mouth's square (side, side, 3) at a time; None where the track does not say where it is."""
        if self.mouths is None:
            return None
        x, y, side = self._at(self.mouths, seconds)
        return _cut(picture, x - side / 2, y - side / 2, side, side)

    def check(self, clip_id: str, width: int, height: int, n_seconds: float) -> None:
        """Refuse a track that cannot be that of a face of a film.

        Args:
            clip_id: the film, for the message.
            width: of its upright pictures.
            height: of them.
            n_seconds: its length.

        Raises:
            ClipError: a box is outside of the picture or jumps, or there is no row for over a second.
        """
        for k, (x, y, box_width, box_height) in enumerate(self.boxes.tolist()):
            if min(x, y, width - x - box_width, height - y - box_height) < -_SLACK_PIXELS:
                problem = f"its box {x:g}, {y:g}, {box_width:g}, {box_height:g} is outside of the picture"
                raise self._refusal(clip_id, k, problem, f"x, y, width, height within {width} x {height} pixels")
        for k, (x, y, _) in enumerate([] if self.mouths is None else self.mouths.tolist()):
            if not (0 <= x <= width and 0 <= y <= height):
                problem = f"its mouth {x:g}, {y:g} is outside of the picture"
                raise self._refusal(clip_id, k, problem, f"mouth_x, mouth_y within {width} x {height} pixels")
        centres = self.boxes[:, :2] + self.boxes[:, 2:] / 2
        jumps = np.hypot(*np.diff(centres, axis=0).T) / self.boxes[:-1, 2]
        if (jumps > MOST_JUMP).any():
            k = int(np.argmax(jumps > MOST_JUMP)) + 1
            problem = f"it jumps by {jumps[k - 1]:.2f} of its width"
            raise self._refusal(clip_id, k, problem, f"at most {MOST_JUMP:g} from one row to the next")
        self._check_gaps(clip_id, n_seconds)

    def _check_gaps(self, clip_id: str, n_seconds: float) -> None:
        """Refuse more than a second without a row, at both ends of the film too."""
        times = np.concatenate([[0.0], self.seconds, [max(n_seconds, self.seconds[-1])]])
        gaps = np.diff(times)
        if (gaps > MOST_BETWEEN_ROWS + _SLACK_SECONDS).any():
            k = int(np.argmax(gaps > MOST_BETWEEN_ROWS + _SLACK_SECONDS))
            problem = f"no row from {times[k]:.2f} to {times[k + 1]:.2f} s"
            expected = f"one at least each {MOST_BETWEEN_ROWS:g} s, all through the {n_seconds:.2f} s of the film"
            raise self._refusal(clip_id, max(0, k - 1), problem, expected)

    def _refusal(self, clip_id: str, k: int, problem: str, expected: str) -> ClipError:
        where = f"track {self.name!r}, row {self.rows[k]} at {self.seconds[k]:.2f} s"
        return ClipError(clip_id, "bad_track", f"{where}: {problem}", expected)

    def _at(self, values: NDArray[np.float64], seconds: float) -> list[float]:
        """The columns of values (n, k) at a time."""
        return [float(np.interp(seconds, self.seconds, column)) for column in values.T]


def read_tracks(path: AnyPath) -> dict[str, list[FaceTrack]]:
    """Return the tracks of every clip of a tracks.csv, in the order of the file; of the clip "" without ``clip_id``.

    Raises:
        DataError: the file is no such table, or a row has no usable number.
        OSError: it is missing.
    """
    facts = check_regular(path)
    return _read(Path(path), facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, _mtime_ns: int, _n_bytes: int) -> dict[str, list[FaceTrack]]:
    """The tracks of a file that is as it was: a worker asks for it with every clip."""
    with open_regular_text(path, encoding="utf-8-sig") as file:
        rows = parse_rows(file, str(path))
    found: dict[tuple[str, str], list[tuple[int, Mapping[str, str]]]] = {}
    for number, row in enumerate(rows, 2):
        if missing := [name for name in NEEDED if name not in row]:
            raise DataError(f"{path}: no column {', '.join(missing)}; expected {', '.join(NEEDED)}")
        found.setdefault((row.get("clip_id", ""), row["track"]), []).append((number, row))
    if not found:
        raise DataError(f"{path}: no rows; expected a box for each track at least once a second")
    tracks: dict[str, list[FaceTrack]] = {}
    for (clip_id, name), of_track in found.items():
        tracks.setdefault(clip_id, []).append(_track(path, name, of_track))
    return tracks


def track_of_clip(path: AnyPath, clip_id: str) -> FaceTrack:
    """Return the one track of a clip of a data set.

    Raises:
        ClipError: it has none, or several.
        DataError: the file is no tracks.csv.
    """
    found = read_tracks(path).get(clip_id, [])
    if not found:
        raise ClipError(clip_id, "no_view", f"no row of it in {path}", "a track for every clip")
    if len(found) > 1:
        problem = f"{len(found)} tracks in {path}: {', '.join(track.name for track in found)}"
        raise ClipError(clip_id, "bad_track", problem, "one for every clip, which is of one face")
    return found[0]


def tracks_of_video(path: AnyPath, video: AnyPath) -> list[FaceTrack]:
    """Return the tracks of a video: those of its name where the file has a column ``clip_id``, else all.

    Raises:
        DataError: there is none, two have names that are one file's, or the file is no tracks.csv.
    """
    tracks, video = read_tracks(path), Path(video)
    names = dict.fromkeys([str(video), video.name, video.stem, ""])
    found = next((tracks[name] for name in names if name in tracks), None)
    if found is None:
        known = ", ".join(list(tracks)[:5])
        raise DataError(f"{path}: no row with clip_id {video.name!r}; it has rows of {known}")
    _check_names(path, found)
    return found


def _check_names(path: AnyPath, tracks: Iterable[FaceTrack]) -> None:
    """Refuse names of tracks that cannot be names of files beside each other."""
    taken = {"mixture": "mixture.wav", "heat": "heat.mp4"}
    for track in tracks:
        name = track.name.casefold()
        if not _NAME.fullmatch(track.name) or name in taken:
            problem = f"track {track.name!r}, row {track.rows[0]}"
            why = f"is also the name of {taken[name]}" if name in taken else "is no name of a file"
            raise DataError(f"{path}: {problem}: {why}; expected letters, digits, dots and hyphens, each name once")
        taken[name] = f"track {track.name!r}"


def _track(path: Path, name: str, rows: list[tuple[int, Mapping[str, str]]]) -> FaceTrack:
    """A track from its rows, each with its number."""
    numbers = np.array([number for number, _ in rows], np.int64)
    columns = ("seconds", *BOX, *(MOUTH if set(MOUTH) <= rows[0][1].keys() else ()))
    values = np.array([[_number(path, number, row, column) for column in columns] for number, row in rows])
    seconds, boxes, mouths = values[:, 0], values[:, 1:5], values[:, 5:]
    if (falls := np.flatnonzero(np.diff(seconds) <= 0)).size:
        k = int(falls[0]) + 1
        problem = f"track {name!r}, row {numbers[k]}: {seconds[k]:g} s after {seconds[k - 1]:g} s"
        raise DataError(f"{path}: {problem}; expected times that rise")
    for column, sizes in zip(("width", "height", "mouth_side"), (*boxes.T[2:], *mouths.T[2:]), strict=False):
        if (sizes < 1).any():
            k = int(np.argmax(sizes < 1))
            problem = f"track {name!r}, row {numbers[k]} at {seconds[k]:.2f} s: {column} {sizes[k]:g}"
            raise DataError(f"{path}: {problem}; expected at least 1 pixel")
    return FaceTrack(name, numbers, seconds, boxes, mouths if mouths.size else None)


def _number(path: Path, number: int, row: Mapping[str, str], column: str) -> float:
    """A cell as a finite number."""
    try:
        value = float(row[column])
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DataError(f"{path}: track {row['track']!r}, row {number}: {column} {row[column]!r}; expected a number")
    return value


def _cut(picture: NDArray[np.uint8], left: float, top: float, width: float, height: float) -> NDArray[np.uint8]:
    """The pixels of a box that are within the picture, at least one."""
    n_rows, n_columns, _ = picture.shape
    x = min(max(round(left), 0), n_columns - 1)
    y = min(max(round(top), 0), n_rows - 1)
    return picture[y : max(y + 1, round(top + height)), x : max(x + 1, round(left + width))]
