"""A separator's fits, one for each of its seeds: made, saved as a folder, and read back."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from pipeline.errors import DataError
from pipeline.formats.csv_rows import write_rows
from pipeline.formats.provenance import write_provenance
from pipeline.model_parts import distributed
from pipeline.separation.heard import Facts
from pipeline.separation.material import Material, TrainingStream
from pipeline.separation.parts.base import Separator, TrainingHistory, separator_module
from pipeline.separation.parts.checkpoint import Checkpoint
from pipeline.separation.parts.saved import check_facts, check_needs
from pipeline.separation.parts.training import StepsParams
from pipeline.settings.device import chosen_device
from pipeline.settings.environment import chosen_workers
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.interrupt import held_back_interrupts, kill_workers
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track


def fit_separators(name: str, params: StepsParams, train: TrainingStream, validation: Material, out: AnyPath) -> None:
    """Fit a separator once for each of its seeds, and write a folder of ``seed-N.safetensors`` with history.csv.

    While it lasts, a folder beside it holds what a killed training goes on from. Of torchrun's ranks the first one
    writes.

    On a CPU seeds are fitted at the same time in processes of one thread, twice $AVR_WORKERS (default: one a core) at
    most: three that share two cores end earlier than two, and then one. With AVR_WORKERS=1 they follow each other; the
    files are the same.

    Args:
        name: of the separator.
        params: its own.
        train: what it learns from.
        validation: what chooses between steps.
        out: the folder, which is made.

    Raises:
        DivergenceError: a loss is no longer finite.
        ParamsError: it looks at what the task does not cut.
    """
    check_needs(name, separator_module(name).Separator.needs, train.clips.facts)
    out = Path(out)
    kept = out.with_name(f"{out.name}.checkpoints")
    with distributed.joined():
        fit = partial(_fit, name, params, train, validation, out, kept)
        history = [look for looks in _at_a_time(fit, params.seeds, name) for look in looks]
        if distributed.rank() == 0:
            write_rows(out / "history.csv", list(history[0]), [list(look.values()) for look in history])
            write_provenance(out, {"device": chosen_device().type})
            shutil.rmtree(kept, ignore_errors=True)


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


def _key(name: str, params: StepsParams, train: TrainingStream, validation: Material) -> str:
    """A hash of all that decides the weights: a checkpoint of another training is none of this one."""
    facts = {
        "params": params.model_dump(mode="json"),
        "mixtures": train.params.model_dump(mode="json"),
        "facts": list(train.clips.facts),
        "clips": sorted([clip.clip_id, clip.sha256, clip.split] for clip in train.clips.clips.values()),
        "validation": [str(mixture) for mixture in validation.mixtures],
        "ranks": distributed.n_ranks(),
    }
    return fingerprint(facts, [f"pipeline.separation.separators.{name}"])


def _at_a_time(fit: Callable[[int], TrainingHistory], seeds: Sequence[int], name: str) -> Iterator[TrainingHistory]:
    """The histories of all seeds, in their order."""
    if min(len(seeds), chosen_workers()) == 1 or distributed.n_ranks() > 1 or chosen_device().type != "cpu":
        yield from map(fit, seeds)
        return
    with ProcessPoolExecutor(min(len(seeds), 2 * chosen_workers()), get_context("spawn")) as pool:
        try:
            with held_back_interrupts():
                histories = pool.map(fit, seeds)
            yield from track(histories, f"train, {name}", "seed", len(seeds))
        except BaseException:
            kill_workers()  # which a pool waits for, perhaps for minutes
            raise


def _fit(
    name: str, params: StepsParams, train: TrainingStream, validation: Material, out: Path, kept: Path, seed: int
) -> TrainingHistory:
    """The history of one seed, whose file is written."""
    separator: Separator = separator_module(name).Separator(params, seed)
    looks = separator.fit(
        train, validation, Checkpoint(kept / f"seed-{seed}.pt", _key(name, params, train, validation))
    )
    if distributed.rank() == 0:
        out.mkdir(parents=True, exist_ok=True)
        separator.save(out / f"seed-{seed}.safetensors")
    return [{"seed": seed, **look} for look in looks]
