"""The two tables that a search leaves: a row a trial, and a row a fit with its curve, which a search goes on from."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pipeline.errors import DataError, in_words
from pipeline.formats.files import write_atomically
from pipeline.settings.paths import AnyPath
from pipeline.tune.choice import FoldCurve, Trial

TRIALS = "{name}.csv"
CURVES = "{name}.curves.csv"
TRIAL_COLUMNS = ["trial", "validation_map", "validation_map_sd", "fold_maps", "params"]
CURVE_COLUMNS = ["trial", "fold", "params", "curve"]
RowRead = TypeVar("RowRead")


class FoldFit(NamedTuple):
    """A fit on all folds but one, and the MAP of that one after each epoch; ``params`` are those that were drawn."""

    trial: int
    fold: int
    params: dict[str, Any]
    curve: FoldCurve


def read_trials(table: AnyPath) -> list[Trial]:
    """Return the trials of a table MODEL.csv.

    Raises:
        DataError: the file is missing or is no such table.
    """
    return _read(
        Path(table),
        lambda row: Trial(
            int(row["trial"]),
            float(row["validation_map"]),
            float(row["validation_map_sd"]),
            json.loads(row["fold_maps"]),
            json.loads(row["params"]),
        ),
    )


def read_curves(table: AnyPath) -> list[FoldFit]:
    """Return the fits of a table MODEL.curves.csv.

    Raises:
        DataError: the file is missing or is no such table.
    """
    return _read(
        Path(table),
        lambda row: FoldFit(int(row["trial"]), int(row["fold"]), json.loads(row["params"]), json.loads(row["curve"])),
    )


def write_trials(table: AnyPath, made_with: str, trials: Iterable[Trial]) -> None:
    """Write the table of the trials, at once or not at all."""
    rows = [
        [number, repr(score), repr(spread), json.dumps(maps), json.dumps(params, sort_keys=True)]
        for number, score, spread, maps, params in trials
    ]
    _write(Path(table), made_with, TRIAL_COLUMNS, rows)


def write_curves(table: AnyPath, made_with: str, fits: Iterable[FoldFit]) -> None:
    """Write the table of the curves, sorted by trial and fold, at once or not at all."""
    rows = [
        [fit.trial, fit.fold, json.dumps(fit.params, sort_keys=True), json.dumps(fit.curve)]
        for fit in sorted(fits, key=lambda fit: (fit.trial, fit.fold))
    ]
    _write(Path(table), made_with, CURVE_COLUMNS, rows)


def check_made_with(table: AnyPath, made_with: str) -> None:
    """Refuse to go on with a table that was made with something else.

    Raises:
        DataError: its first line says so.
    """
    table = Path(table)
    if not table.exists():
        return
    first = table.read_text(encoding="utf-8").partition("\n")[0]
    if first != f"# {made_with}":
        raise DataError(
            f"{table}: made with {first.removeprefix('# ')}; expected {made_with}: remove it or name another folder"
        )


def _read(table: Path, of_row: Callable[[dict[str, str]], RowRead]) -> list[RowRead]:
    """What the rows behind the line that says what the table was made with hold."""
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
        return [of_row(row) for row in csv.DictReader(line for line in lines if not line.startswith("#"))]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{table}: {in_words(error)}; expected a table that `avr tune` wrote") from error


def _write(table: Path, made_with: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table with the line that says what it was made with; one that is there already stays untouched."""
    file = io.StringIO()
    file.write(f"# {made_with}\n")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    data = file.getvalue().encode()
    if not table.exists() or table.read_bytes() != data:
        write_atomically(table, data)
