"""The command ``avr tune``; ``python -m pipeline.tune`` is another name of it."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_line import new_app, run
from pipeline.tune.trials import Budget, Trial, check_search
from pipeline.tune.trials import tune as best_of_trials


def tune(
    features: Annotated[Path, typer.Argument(metavar="FEATURES", help="Feature table: data/features.safetensors.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the tables, one for each model.")],
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Models to search for. [default: all in params.yaml]")
    ] = None,
    *,
    trials: Annotated[int, typer.Option(min=1, metavar="N", help="Parameter sets to try for each model.")] = 30,
    folds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Parts to hold out, each once; 1: hold out validation.")
    ] = 3,
    by_cluster: Annotated[
        bool, typer.Option("--by-cluster", help="Hold out clusters of like sounds, such as those of one voice.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the folds and of the draws.")] = 0,
) -> None:
    """Search for a model's parameters at random.

    No test clip is looked at, and every model gets the same folds and as many trials. Trial 0 is what params.yaml says;
    the others draw the parameters that the model's SEARCH names. The score of a trial is the MAP of the held-out fold
    (average of both directions, mean over the folds), which also stops the training early. A trial thus costs one
    training of the model for each fold.

    The last line of a model names its best trial and what it drew, as options -S SECTION.KEY=VALUE of `dvc exp run`,
    which write it into params.yaml: to the section that `models` there gives the model.

    OUT/MODEL.csv has a row for each trial. It grows as trials end, and the command started again goes on behind its
    last row. A trial whose training diverges has no score: nan.
    """
    from pipeline.settings.params import model_sections

    budget = Budget(trials, folds, seed, by_cluster)
    known = model_sections()
    sections = {name: known.get(name, f"baselines.{name}") for name in models or known}
    check_search(features, sections)
    for name, section in sections.items():
        print(f"{name}: {trials} trials; {out / f'{name}.csv'} has a row for each that has ended", flush=True)
        best = best_of_trials(features, name, section, budget, out)
        print(f"{name}: MAP {best.validation_map:.4f} in trial {best.number}: {_options(section, best)}")


def _options(section: str, trial: Trial) -> str:
    """What a trial searched, as options of ``dvc exp run``."""
    written = {key: "null" if value is None else value for key, value in trial.params.items()}
    return " ".join(f"-S {section}.{key}={value}" for key, value in written.items()) or "nothing to search"


def main() -> None:
    """Run ``python -m pipeline.tune``."""
    app = new_app()
    app.command()(tune)
    run(app, "python -m pipeline.tune")


if __name__ == "__main__":
    main()
