"""The command ``avr tune``; ``python -m pipeline.tune`` is another name of it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.command_line import new_app, run

if TYPE_CHECKING:
    from pipeline.tune.samplers import Sampler

CLIPS = "clips.csv"  # beside the features of a run


class SamplerName(StrEnum):
    """What draws the trials."""

    RANDOM = "random"
    TPE = "tpe"


def tune(
    features: Annotated[Path, typer.Argument(metavar="FEATURES", help="Feature table: data/features.safetensors.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the tables, two for each model.")],
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Models to search for. [default: all in params.yaml]")
    ] = None,
    *,
    trials: Annotated[int, typer.Option(min=1, metavar="N", help="Parameter sets to try for each model.")] = 30,
    folds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Parts to hold out, each once; 1: hold out validation.")
    ] = 6,
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="How often to cut the clips into folds.")] = 1,
    by_cluster: Annotated[
        bool, typer.Option("--by-cluster", help="Hold out clusters of like sounds, such as those of one voice.")
    ] = False,
    clips: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Table of the clips. [default: {CLIPS} beside FEATURES, if it is there]"),
    ] = None,
    sampler: Annotated[
        SamplerName, typer.Option(help="random, or tpe, which learns from the scores; needs the extra `tune`.")
    ] = SamplerName.RANDOM,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the folds and of the draws.")] = 0,
) -> None:
    """Search for a model's parameters.

    No test clip is looked at, and every model gets the same folds and as many trials. Trial 0 is what params.yaml says;
    the others draw the parameters that the model's SEARCH names. Clips that share a sound, a picture, their bytes or
    their recording are never on both sides of a fold.

    A fold never stops a fit. The epoch after which the mean curve of the folds is highest is the trial's number of
    epochs, and the MAP of the folds there (average of both directions) its score. All trials are scored on the first
    folds; the better half of them, and trial 0, go on to about twice as many, up to all.

    In the end trial 0 stays, unless another trial is ahead of it by more than one standard error of the paired
    differences of the folds. The last line of a model names the trial and what it changes, as options -S
    SECTION.KEY=VALUE of `dvc exp run`, which write them into params.yaml: with `epochs` and without `patience`, so that
    validation clips stop nothing. Where trial 0 stays, nothing changes, its epochs and its patience neither.

    The MAP is that of the clips with a label. Where none has one, relevant is the own clip alone: the MAP is then the
    mean reciprocal rank, and models that learn from labels are left out.

    Nothing is tried but trial 0 where folds hold out fewer than 5 groups of clips, such as the clusters of
    --by-cluster, or sources: they say too little of the other groups that test clips have.

    OUT/MODEL.csv has a row for each trial, OUT/MODEL.curves.csv one for each fit, with the MAP of its fold after each
    epoch. They grow as fits end, and the command started again goes on behind the last one. A trial whose training
    diverges has no score: nan.
    """
    from pipeline.settings.params import model_sections
    from pipeline.tune.choice import changes, chosen_trial, reason
    from pipeline.tune.halving import n_fits
    from pipeline.tune.trials import Budget, check_search, why_not_searched, without_labels
    from pipeline.tune.trials import tune as search

    budget = Budget(trials, folds, seed, by_cluster, repeats)
    known = model_sections()
    sections = {name: known.get(name, f"baselines.{name}") for name in models or known}
    check_search(features, sections)
    for name, left_out in without_labels(features, sections, folds).items():
        print(f"{name} is left out: {left_out}")
        del sections[name]
    beside = features.with_name(CLIPS)
    clips = clips or (beside if beside.exists() else None)
    if why := why_not_searched(features, budget, clips):
        why, trials = f"trial 0, the values of params.yaml, stays, and no other is tried: {why}", 1
    for name, section in sections.items():
        n_steps, tried = n_fits(trials, folds * repeats), "1 trial" if trials == 1 else f"{trials} trials"
        print(f"{name}: {tried}, {n_steps} fits; {out / f'{name}.csv'} has a row for each trial", flush=True)
        found = search(features, name, section, budget, out, clips=clips, sampler=_sampler(sampler))
        chosen = chosen_trial(found, folds)
        print(f"{name}: {why or reason(found, folds)}")
        print(f"{name}: MAP {chosen.validation_map:.4f} in trial {chosen.number}: {_options(section, changes(chosen))}")


def _sampler(name: SamplerName) -> "type[Sampler]":
    """The sampler of a name."""
    if name is SamplerName.RANDOM:
        from pipeline.tune.samplers import RandomSampler

        return RandomSampler
    from pipeline.tune.tpe import TpeSampler

    return TpeSampler


def _options(section: str, changed: dict[str, Any]) -> str:
    """What a search changes, as options of ``dvc exp run``."""
    written = {key: "null" if value is None else value for key, value in changed.items()}
    return " ".join(f"-S {section}.{key}={value}" for key, value in written.items()) or "nothing to change"


def main() -> None:
    """Run ``python -m pipeline.tune``."""
    app = new_app()
    app.command()(tune)
    run(app, "python -m pipeline.tune")


if __name__ == "__main__":
    main()
