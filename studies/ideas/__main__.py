"""Ideas from other work, each judged on folds of what is not test: models as they are shipped, with and without it.

usage: python -m studies.ideas NAME=FILE... [--models MODEL...] [--ideas IDEA...] [--folds K] [--seed S]

FILE is as for ``studies.comparison``. The rule is that of ``avr tune``: a fold never stops a fit, the epoch is that at
which the mean curve of the folds is highest, and an idea is clearly ahead only by more than one standard error of the
paired differences of the folds. Test rows are neither fitted nor scored. Fits leave files in a folder, $AVR_WORKERS at
a time; a run that was killed goes on where it stopped. docs/ideas.md says what each idea is.
"""

import argparse
import sys
from pathlib import Path

from pipeline.errors import PipelineError

WORK = Path("data/ideas")


def main() -> None:
    """Fit, print the table."""
    arguments = _arguments()
    from pipeline.tune.trials import Budget
    from studies.comparison import jobs, sets
    from studies.ideas import catalogue, fits, judging

    models, ideas = arguments.models or catalogue.MODELS, arguments.ideas or catalogue.IDEAS
    budget, clusters = Budget(1, arguments.folds, arguments.seed), dict(arguments.by_cluster)
    try:
        catalogue.check(models, ideas)
        sources = sets.parse(arguments.sets)
        sets.check_names(sources, clusters, "--by-cluster")
        found: dict[tuple[str, str, str], list[fits.IdeaFit]] = {}
        for source in sources:
            features = sets.prepare(source, arguments.work / "sets")
            parts = fits.parts_of(features, sets.budget_of(source, budget, clusters))
            for model in models:
                for idea in (catalogue.WITHOUT, *catalogue.ideas_for(model, ideas)):
                    of_idea = fits.fits_of(features, parts, model, idea, arguments.seed, arguments.work)
                    found[source.name, model, idea] = of_idea
        jobs.run(fits.fit, [job for of_idea in found.values() for job in of_idea if not job.file.exists()])
        curves = {key: [fits.curve_of(job) for job in of_idea] for key, of_idea in found.items()}
        rows = [
            judging.judged(data, model, idea, curves[data, model, catalogue.WITHOUT], of_folds)
            for (data, model, idea), of_folds in curves.items()
            if idea != catalogue.WITHOUT
        ]
        print("\n".join(judging.page(rows)))
    except PipelineError as error:
        sys.exit(f"ideas: {type(error).__name__}: {error}")


def _named_number(word: str) -> tuple[str, int]:
    """NAME=N of the command line."""
    name, _, number = word.partition("=")
    return name, int(number)


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.ideas", description=__doc__)
    parser.add_argument("sets", metavar="NAME=FILE", nargs="+", help="a data set and its features")
    parser.add_argument("--models", metavar="MODEL", nargs="+", default=[], help="default: all that an idea is for")
    parser.add_argument("--ideas", metavar="IDEA", nargs="+", default=[], help="default: all")
    parser.add_argument("--folds", type=int, default=6, help="parts of train + validation (default: 6)")
    parser.add_argument("--seed", type=int, default=0, help="of the folds and of the fits (default: 0)")
    parser.add_argument(
        "--by-cluster",
        metavar="NAME=N",
        nargs="+",
        type=_named_number,
        default=[],
        help="sets whose folds hold out one of N clusters of like sounds, such as voices",
    )
    parser.add_argument("--work", type=Path, default=WORK, help=f"folder of finished fits (default: {WORK})")
    return parser.parse_args()


if __name__ == "__main__":
    main()
