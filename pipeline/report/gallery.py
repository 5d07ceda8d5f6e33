"""What a model's queries found, to look at: of each class a right and a wrong one, and the worst of all."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.report.spans import Half
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

N_RESULTS = 5  # of a query
N_WORST = 20
N_CLASSES = 20  # with queries of their own, those of the lowest MAP: thumbnails are what the page weighs
NAMES = ("direction", "clip_id", "result")
NUMBERS = ("rank", "score", "relevant")

Key = tuple[str, str]
TableRows = Sequence[Mapping[str, str]]


class FoundClip(NamedTuple):
    """A result of a query.

    Attributes:
        clip_id: the clip.
        label: its class.
        score: cosine with the query.
        is_right: whether it has the query's class.
        is_own: whether it is the query's own other half.
    """

    clip_id: str
    label: str
    score: float
    is_right: bool
    is_own: bool


class QueryCard(NamedTuple):
    """A query and its first results.

    Attributes:
        clip_id: the clip that is searched for.
        label: its class.
        direction: ``audio_to_visual`` or ``visual_to_audio``.
        average_precision: the mean over the model's seeds.
        first_right: rank of the first result of its class with the first seed; None: behind those that are kept.
        results: the first of them, with the first seed, the nearest first.
    """

    clip_id: str
    label: str
    direction: str
    average_precision: float
    first_right: int | None
    results: Sequence[FoundClip]

    @property
    def is_right(self) -> bool:
        """Whether the first result has the query's class."""
        return self.results[0].is_right


class ClassCards(NamedTuple):
    """The queries of a class that are shown.

    Attributes:
        label: the class.
        n_wrong: how many of its queries have a first result of another class.
        n_queries: how many it has, both directions.
        cards: a right and a wrong query of each direction, where there is one.
    """

    label: str
    n_wrong: int
    n_queries: int
    cards: Sequence[QueryCard]


class Gallery(NamedTuple):
    """All queries that are shown.

    Attributes:
        classes: the class with the lowest MAP first.
        n_classes: how many there are, shown or not.
        worst: the queries of the lowest average precision, in both directions.
    """

    classes: Sequence[ClassCards]
    n_classes: int
    worst: Sequence[QueryCard]

    def cards(self) -> Iterator[QueryCard]:
        """Yield every card."""
        for of_class in self.classes:
            yield from of_class.cards
        yield from self.worst


class _SeedResults:
    """The rows of the first seed of a Parquet file that the stage `evaluate` wrote, by query."""

    def __init__(self, path: AnyPath) -> None:
        table = _read(Path(path))
        self._names = {name: table.column(name).combine_chunks().dictionary_encode() for name in NAMES}
        self._numbers = {name: table.column(name).to_numpy() for name in NUMBERS}
        starts = np.flatnonzero(self._changes())
        ends = [*starts[1:].tolist(), table.num_rows]
        keys = zip(self._texts("direction", starts), self._texts("clip_id", starts), strict=True)
        self._spans = {key: slice(*span) for key, *span in zip(keys, starts.tolist(), ends, strict=True)}
        self.is_right: dict[Key, bool] = {key: self.relevant(key)[0] for key in self._spans}

    def relevant(self, key: Key) -> list[bool]:
        """Whether each result of a query has its class."""
        found: list[bool] = self._numbers["relevant"][self._spans[key]].tolist()
        return found

    def first_right(self, key: Key) -> int | None:
        """The rank of the first relevant result among those that are kept."""
        relevant = self.relevant(key)
        ranks: list[int] = self._numbers["rank"][self._spans[key]].tolist()
        return ranks[relevant.index(True)] if True in relevant else None

    def first(self, key: Key) -> list[tuple[str, float, bool]]:
        """The first results of a query: clip_id, score, whether it is relevant."""
        start = self._spans[key].start
        rows = np.arange(start, min(start + N_RESULTS, self._spans[key].stop))
        scores = self._numbers["score"][rows].tolist()
        return list(zip(self._texts("result", rows), scores, self.relevant(key), strict=False))

    def _changes(self) -> NDArray[np.bool_]:
        """Whether a row is the first one of its query: (n_rows,)."""
        is_first = np.zeros(len(self._names["clip_id"]), bool)
        for name in ("direction", "clip_id"):
            indices = self._names[name].indices.to_numpy()
            is_first[1:] |= indices[1:] != indices[:-1]
        is_first[:1] = True
        return is_first

    def _texts(self, name: str, rows: NDArray[np.int64]) -> list[str]:
        """The cells of a column, (n_rows,), in some rows."""
        texts: list[str] = self._names[name].take(pa.array(rows)).to_pylist()
        return texts


def halves(direction: str) -> tuple[Half, Half]:
    """Return which half of a clip is the query of a direction, and which half its results are.

    Example:
        >>> halves("audio_to_visual")
        ('audio', 'visual')
    """
    return ("audio", "visual") if direction == "audio_to_visual" else ("visual", "audio")


def read_gallery(path: AnyPath, queries: TableRows, labels: Mapping[str, str]) -> Gallery:
    """Return the queries of a model that are shown.

    Args:
        path: the Parquet file with the results of the model.
        queries: the rows of its table of queries.
        labels: the class of each test clip.

    Raises:
        DataError: the file is missing, damaged, or of another run than the other two.
    """
    path = Path(path)
    results = _SeedResults(path)
    precisions = {(row["direction"], row["clip_id"]): float(row["average_precision"]) for row in queries}
    try:
        return _chosen(results, precisions, labels)
    except KeyError as error:
        raise DataError(f"{path}: no results of {error}; expected those of the same run as its queries") from error


def _chosen(results: _SeedResults, precisions: Mapping[Key, float], labels: Mapping[str, str]) -> Gallery:
    """The queries that are shown, by their average precision."""
    by_class: dict[str, list[Key]] = {}
    worst_first = sorted(precisions, key=lambda key: (precisions[key], key))
    for key in worst_first:
        by_class.setdefault(labels[key[1]], []).append(key)
    hardest = sorted(by_class, key=lambda label: (np.mean([precisions[key] for key in by_class[label]]), label))

    def card(key: Key) -> QueryCard:
        direction, clip_id = key
        found = [
            FoundClip(name, labels[name], score, is_right, name == clip_id)
            for name, score, is_right in results.first(key)
        ]
        return QueryCard(clip_id, labels[clip_id], direction, precisions[key], results.first_right(key), found)

    classes = [
        ClassCards(
            label,
            sum(not results.is_right[key] for key in by_class[label]),
            len(by_class[label]),
            [card(key) for key in _right_and_wrong(by_class[label], results.is_right)],
        )
        for label in hardest[:N_CLASSES]
    ]
    return Gallery(classes, len(by_class), [card(key) for key in worst_first[:N_WORST]])


def _right_and_wrong(worst_first: Sequence[Key], is_right: Mapping[Key, bool]) -> Iterator[Key]:
    """Of each direction the best right query and the worst wrong one, where there is one."""
    for direction in dict.fromkeys(key[0] for key in sorted(worst_first)):
        of_way = [key for key in worst_first if key[0] == direction]
        yield from [key for key in of_way if is_right[key]][-1:]
        yield from [key for key in of_way if not is_right[key]][:1]


def _read(path: Path) -> "pa.Table":
    """The rows of the first seed."""
    try:
        check_regular(path)
        table = pq.read_table(path, columns=[*NAMES, *NUMBERS], filters=[("seed", "=", 0)], partitioning=None)
        if not table.num_rows:
            raise ValueError("no row")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: {error}; expected results that the stage `evaluate` wrote") from error
    return table
