"""How the training went: the loss and the validation MAP of every epoch, as the stage `train` wrote them down."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import DataError
from pipeline.formats.csv_rows import read_rows
from pipeline.settings.paths import AnyPath

FILE = "history.csv"
MEASURES = ("loss", "validation_map")

Curve = Sequence[tuple[float, float]]
TrainingCurves = dict[str, dict[str, Curve]]
"""By measure and seed the points (epoch, value)."""


def read_history(folder: AnyPath) -> TrainingCurves:
    """Return the curves of a model; nothing for one that is no network and has no epochs.

    Args:
        folder: of the model, as the stage `train` wrote it.

    Raises:
        DataError: its history is missing or is none.
    """
    path = Path(folder) / FILE
    try:
        rows = read_rows(path)
        curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for row in rows:
            for measure in MEASURES:
                if row.get("epoch") and row.get(measure):
                    point = (float(row["epoch"]), float(row[measure]))
                    curves.setdefault(measure, {}).setdefault(row["seed"], []).append(point)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: {error}; expected what the stage `train` wrote") from error
    return {measure: dict(of_seeds) for measure, of_seeds in curves.items()}
