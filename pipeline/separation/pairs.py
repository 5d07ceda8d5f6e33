"""Which clips published test mixtures are of: pairs, as lines of ``/CLASS/ID.wav, /CLASS/ID.wav``, or ready-made ones.

So are the test lists of iQuery and Co-Separation written, for MUSIC, MUSIC-21 and AVE.

References:
    Chen et al. (2023), iQuery: Instruments as Queries for Audio-Visual Sound Separation, CVPR.
    Gao & Grauman (2019), Co-Separating Sounds of Visual Objects, ICCV.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.errors import DataError, in_words
from pipeline.formats.clip_files import SOURCE
from pipeline.formats.clips import Clip
from pipeline.formats.csv_rows import read_rows, write_rows
from pipeline.formats.rejects import Reject
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

FORM = "lines of /CLASS/ID.wav, /CLASS/ID.wav"
N_NAMED = 3


class Pair(NamedTuple):
    """The names of two clips, also where one of them was refused."""

    first: str
    second: str


def read_pairs(path: AnyPath, clips: Iterable[Clip], refused: Iterable[Reject]) -> list[Pair]:
    """Return the pairs of a list by the names of their clips; the classes that it names are not looked at.

    Args:
        path: the list.
        clips: of the data set; the first one of a file stands for it.
        refused: what the source names and has no clip of.

    Raises:
        DataError: the list is missing or damaged, holds nothing, or an ID is neither of a clip nor of a refused one.
    """
    path = Path(path)
    names = {_id_of_name(row.clip_id): row.clip_id for row in refused}
    names |= {PurePosixPath(clip.path).stem: clip.clip_id for clip in sorted(clips, key=lambda c: c.clip_id)[::-1]}
    ids = [tuple(map(_id_of_name, line)) for line in _lines(path)]
    listed = dict.fromkeys(video_id for pair in ids for video_id in pair)
    if unknown := [video_id for video_id in listed if video_id not in names]:
        raise DataError(
            f"{path}: {len(unknown)} of {len(listed)} IDs are of no clip of the data set, such as "
            f"{', '.join(map(repr, unknown[:N_NAMED]))}; expected pairs of its clips"
        )
    return [Pair(names[first], names[second]) for first, second in ids]


def with_test_clips(clips: Sequence[Clip], pairs: Iterable[Pair]) -> list[Clip]:
    """Return the clips with those of the pairs, and what shares a source with them, in test, whatever the source says.

    Others stay where they are; those that have no split go to train.

    Args:
        clips: of the data set.
        pairs: of a list.
    """
    names = {name for pair in pairs for name in pair}
    sources = {clip.source_id for clip in clips if clip.clip_id in names} - {""}
    is_listed = {clip.clip_id: clip.clip_id in names or clip.source_id in sources for clip in clips}
    return [replace(clip, split="test" if is_listed[clip.clip_id] else clip.split or "train") for clip in clips]


def check_ready_made(clips: Iterable[Clip]) -> None:
    """Refuse clips that are not the sources of ready-made mixtures, where the mixtures should be a list of these.

    Raises:
        DataError: with one of them.
    """
    for clip in clips:
        if not SOURCE.fullmatch(clip.path):
            expected = "dataset.source=mixture_files for mixtures.source=list"
            raise DataError(f"clip {clip.clip_id!r}: of no ready-made mixture; expected {expected}")


def write_pairs(path: AnyPath, pairs: Iterable[Pair]) -> None:
    """Write a table of pairs, a row each."""
    write_rows(path, Pair._fields, pairs)


def read_written_pairs(path: AnyPath) -> list[Pair]:
    """Return the pairs of a table that ``write_pairs`` wrote.

    Raises:
        DataError: it is damaged.
        OSError: it is missing.
    """
    return [Pair(**row) for row in read_rows(path, Pair._fields)]


def _lines(path: Path) -> list[list[str]]:
    """The two names of every line; empty lines are passed over."""
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected {FORM}") from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        names = [name.strip() for name in line.split(",")]
        if not line.strip():
            continue
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            raise DataError(f"{path}: line {number}: {line!r}; expected two clips: {FORM}")
        pairs.append(names)
    if not pairs:
        raise DataError(f"{path}: no pair; expected {FORM}")
    return pairs


def _id_of_name(name: str) -> str:
    """``ID`` of ``/CLASS/ID.wav``, ``CLASS/ID`` or AVE's ``ID#ROW``."""
    return PurePosixPath(name.partition("#")[0]).stem
