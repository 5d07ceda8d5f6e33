"""Finished runs to compare: metrics.json and the table of queries of each model, of this folder or of a revision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.formats.csv_rows import parse_rows
from pipeline.settings.json_text import parse_json
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

PLOTS = "plots"
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
        """Return the average MAP of every model, as MODEL.average.map."""
        return [f"{model}.average.map" for model in self.report["models"]]

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

    def scores(self, model: str) -> Scores:
        """Return the average precision of each query of a model.

        Raises:
            DataError: the table of its queries is missing, or is none.
        """
        path = f"{PLOTS}/queries/{model}.csv"
        try:
            rows = parse_rows(self.read(path).splitlines(), path)
            scores = {(row["clip_id"], row["direction"]): float(row["average_precision"]) for row in rows}
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DataError(f"{self.name}: {path}: {_reason(error)}") from error
        return scores


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
        numbers = [of_model["average"]["map"] for of_model in report["models"].values()]
        if not numbers or any(type(number) not in (int, float) for number in numbers):
            raise ValueError(f"average MAPs of its models: {numbers}")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{name}: {error!r}; {EXPECTED}") from error
    checked: Mapping[str, Any] = report
    return checked


def _reason(error: Exception) -> str:
    """What went wrong, in words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
