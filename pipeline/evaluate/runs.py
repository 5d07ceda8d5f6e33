"""Finished runs to compare: metrics.json and the table of queries of each model, of this folder or of a revision."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, in_words
from pipeline.formats.csv_rows import parse_rows
from pipeline.formats.headlines import headline_of_report
from pipeline.settings.json_text import parse_json
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

PLOTS = "plots"
METRICS = "metrics.json"
EXPECTED = "expected a metrics.json that the stage `evaluate` wrote"

Scores = dict[tuple[str, str], float]
"""Average precision of each query, by clip_id and direction."""


@dataclass(frozen=True)
class Run:
    """The numbers of a finished run.

    Attributes:
        name: what a user calls it: a file, or a revision.
        report: what its metrics.json holds.
        read: returns the text of a file whose path starts from the folder of metrics.json; an OSError where it cannot.
    """

    name: str
    report: Mapping[str, Any]
    read: Callable[[str], str]

    def map_keys(self) -> list[str]:
        """Return the number that every model is ranked by, as MODEL.average.map; of clips without labels it is mrr."""
        return [f"{model}.average.{headline_of_report(self.report)}" for model in self.report["models"]]

    def value(self, key: str) -> float:
        """Return a number of metrics.json.

        Args:
            key: MODEL.DIRECTION.METRIC.

        Raises:
            DataError: there is no such number; the message says at which of the three words, and what there is.
        """
        found: Any = self.report["models"]
        for kind, word in zip(("model", "direction", "metric"), key.split("."), strict=True):
            if word not in found:
                raise DataError(f"{self.name}: {key}: no {kind} {word!r}; expected one of {', '.join(found)}")
            found = found[word]
        return float(found)

    def numbers(
        self, table: str, model: str, keys: Sequence[str], columns: Sequence[str]
    ) -> dict[tuple[str, ...], tuple[float, ...]]:
        """Return columns of a table of plots/ about one model, by the cells of others.

        Args:
            table: its folder, such as ``queries``.
            model: its name.
            keys: columns that tell the rows apart.
            columns: those with the numbers.

        Raises:
            DataError: the table is missing, or is none.
        """
        return self._cells(f"{PLOTS}/{table}/{model}.csv", keys, columns)

    def scores(self, model: str) -> Scores:
        """Return the average precision of each query of a model.

        Raises:
            DataError: the table of its queries is missing, or is none.
        """
        found = self.numbers("queries", model, ("clip_id", "direction"), ("average_precision",))
        return {(clip_id, direction): score for (clip_id, direction), (score,) in found.items()}

    def groups(self) -> dict[str, int]:
        """Return the group of each test clip: clips of one share a sound, a picture, a file or a source.

        Raises:
            DataError: the table of groups is missing, as in runs of earlier versions, or is none.
        """
        found = self._cells(f"{PLOTS}/groups.csv", ("clip_id",), ("group",))
        return {clip_id: int(group) for (clip_id,), (group,) in found.items()}

    def _cells(
        self, path: str, keys: Sequence[str], columns: Sequence[str]
    ) -> dict[tuple[str, ...], tuple[float, ...]]:
        """Numbers of a table by the cells of other columns."""
        try:
            rows = parse_rows(io.StringIO(self.read(path), newline=""), path)
            return {tuple(row[key] for key in keys): tuple(float(row[column]) for column in columns) for row in rows}
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DataError(f"{self.name}: {path}: {_reason(error)}") from error


def run_of_file(path: AnyPath) -> Run:
    """Return the run whose metrics.json is a file, and whose tables lie in the folder plots beside it.

    Raises:
        DataError: the file is missing or is no metrics.json.
    """
    path = Path(path)
    try:
        text = read_regular(path).decode()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {_reason(error)}; {EXPECTED}") from error
    return Run(str(path), _report(str(path), text), lambda name: (path.parent / name).read_text(encoding="utf-8"))


def find_run(name: str, metrics: AnyPath = METRICS) -> Run:
    """Return the run of that name: the folder of one, its metrics.json, or a revision of this repository.

    Args:
        name: a folder or a file; where there is none, a commit, branch, tag or experiment.
        metrics: where metrics.json is in this repository, for a revision.

    Raises:
        DataError: there is no such run.
    """
    if (path := Path(name)).is_dir():
        return run_of_file(path / METRICS)
    return run_of_file(path) if path.is_file() else run_of_revision(name, metrics)


def run_of_revision(revision: str, path: AnyPath) -> Run:
    """Return the run that a commit, a branch, a tag or an experiment of DVC holds.

    Its tables are looked for in DVC's cache, and in its remote where there is one.

    Args:
        revision: its name.
        path: metrics.json, where it is in this repository.

    Raises:
        DataError: the folder is no repository of DVC, there is no such revision, or it has no metrics.json there.
    """
    path = Path(path)
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_data.index import DataIndexDirError

    try:
        folder = path.absolute().parent.relative_to(Path(Repo.find_root()).absolute())
        files = DVCFileSystem(rev=revision)
        text = files.read_text((folder / path.name).as_posix())
    except (OSError, ValueError, DvcException) as error:
        expected = "expected a file, or a commit, branch, tag or experiment of this repository"
        raise DataError(f"{revision}: {_reason(error)}; {expected} that holds {path}") from error

    def read(name: str) -> str:
        try:
            return str(files.read_text((folder / name).as_posix()))
        except (DvcException, DataIndexDirError) as error:
            raise OSError("it is not in DVC's cache; `dvc fetch` brings it where there is a remote") from error

    return Run(revision, _report(f"{revision}: {path}", text), read)


def _report(name: str, text: str) -> Mapping[str, Any]:
    """The content of a metrics.json, whose numbers by model are at least in their places."""
    try:
        report = parse_json(text)
        numbers = [of_model["average"][headline_of_report(report)] for of_model in report["models"].values()]
        if not numbers or any(type(number) not in (int, float) for number in numbers):
            raise ValueError(f"average MAPs of its models: {numbers}")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{name}: {in_words(error)}; {EXPECTED}") from error
    checked: Mapping[str, Any] = report
    return checked


def _reason(error: Exception) -> str:
    """What went wrong, in words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
