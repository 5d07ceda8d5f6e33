"""A separator's fits, one for each of its seeds: made, saved as a folder, and read back."""

from pathlib import Path

from pipeline.errors import DataError
from pipeline.formats.csv_rows import write_rows
from pipeline.separation.material import Facts, Material, TrainingStream
from pipeline.separation.parts.base import Separator, TrainingHistory, separator_module
from pipeline.separation.parts.saved import check_facts
from pipeline.separation.parts.training import StepsParams
from pipeline.settings.paths import AnyPath


def fit_separators(name: str, params: StepsParams, train: TrainingStream, validation: Material, out: AnyPath) -> None:
    """Fit a separator once for each of its seeds, and write a folder of ``seed-N.safetensors`` and history.csv.

    Args:
        name: of the separator.
        params: its own.
        train: what it learns from.
        validation: what chooses between steps.
        out: the folder, which is made.

    Raises:
        DivergenceError: a loss is no longer finite.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    history: TrainingHistory = []
    for seed in params.seeds:
        separator: Separator = separator_module(name).Separator(params, seed)
        history += [{"seed": seed, **look} for look in separator.fit(train, validation)]
        separator.save(out / f"seed-{seed}.safetensors")
    write_rows(out / "history.csv", list(history[0]), [list(look.values()) for look in history])


def load_separators(name: str, folder: AnyPath, facts: Facts) -> list[Separator]:
    """Return the fitted separators of a folder that ``fit_separators`` wrote, their seeds rising.

    Args:
        name: of the separator.
        folder: where they lie.
        facts: how the sounds and views are cut that they will be given.

    Raises:
        DataError: the folder holds no separator, or one that cannot be read.
        ParamsError: there is no separator of that name, or it was trained on other sounds or views.
    """
    folder = Path(folder)
    files = {int(path.stem.removeprefix("seed-")): path for path in folder.glob("seed-*.safetensors")}
    if not files:
        raise DataError(f"{folder}: no seed-N.safetensors; expected a folder that the stage `train` wrote")
    separators = [separator_module(name).Separator.load(path) for _, path in sorted(files.items())]
    for separator in separators:
        check_facts(name, separator.facts, facts)
    return separators
