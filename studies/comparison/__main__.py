"""The results page: every model on every data set, tuned on what is not test; docs/results.md and its pictures.

usage: python -m studies.comparison WORK NAME=FILE... [--trials N] [--folds K] [--seeds S...]

FILE is data/features.safetensors of a finished run, or published features that the project can import. Searches and
fits leave files in WORK, $AVR_WORKERS at a time; a run that was killed goes on where it stopped, and one that finds all
of them only writes the page. Files of other code, parameters or features stay in WORK and are not looked at.
"""

import argparse
import sys
from pathlib import Path

from pipeline.errors import PipelineError

SEARCH_SEED = 0  # of the page's tables; the searches that are only compared with it have other ones
SEARCHED_AGAIN = ("dual_subspace", "label_probabilities", "acmr", "dscmr")


def main() -> None:
    """Search, fit, write the page."""
    arguments = _arguments()
    from pipeline.settings.params import model_sections
    from pipeline.tune.trials import Budget
    from studies.comparison import fits, jobs, lines, page, repeated, sets

    work, budget = arguments.work, Budget(arguments.trials, arguments.folds, SEARCH_SEED)
    try:
        sources, clusters = sets.parse(arguments.sets), dict(arguments.clusters)
        sets.check_names(sources, clusters, "--clusters")
        names = [source.name for source in sources]
        again_on = names if arguments.again_on is None else arguments.again_on
        sets.check_names(sources, again_on, "--again-on")
        sections = model_sections()
        lines.check_models(sections)
        known = [name for name in SEARCHED_AGAIN if name in sections]
        again_models = known if arguments.again is None else arguments.again
        repeated.check_models(again_models, sections)
        tables = [sets.prepare(source, work / "sets") for source in sources]
        budgets = [sets.budget_of(source, budget, clusters) for source in sources]
        todo = [lines.searches(table, sections, of_set, work) for table, of_set in zip(tables, budgets, strict=True)]
        searches = [job for of_set in todo for job in of_set]
        again = [
            repeated.searches(of_set, budget, arguments.searches, again_models if name in again_on else [], work)
            for name, of_set in zip(names, todo, strict=True)
        ]
        jobs.run(jobs.search, [*searches, *(job for of_set in again for other in of_set.values() for job in other)])
        of_sets = [lines.set_lines(of_set, arguments.seeds, work) for of_set in todo]
        all_others = [
            {of: lines.set_lines(jobs_of, arguments.seeds, work) for of, jobs_of in of_set.items()} for of_set in again
        ]
        all_fits = [fit for of_set in of_sets for fit in of_set.fits]
        all_fits += [fit for of_set in all_others for other in of_set.values() for fit in repeated.fits_of(other)]
        all_fits = list({fit.file("scores"): fit for fit in all_fits}.values())
        jobs.run(fits.score, [fit for fit in all_fits if not fit.file("scores").exists()])
        shown = [fit for of_set in of_sets for fit in page.shown(of_set).values()]
        jobs.run(fits.embed, [fit for fit in shown if not fit.file("embeddings").exists()])
        study = page.Study(sources, budget, clusters, arguments.seeds, arguments.searches, again_models, again_on)
        page.write(
            arguments.out, study, of_sets, [repeated.Repeats(*pair) for pair in zip(again, all_others, strict=True)]
        )
        page.write_trials(arguments.out, searches)
    except PipelineError as error:
        sys.exit(f"results: {type(error).__name__}: {error}")


def _named_number(word: str) -> tuple[str, int]:
    """NAME=N of the command line."""
    name, _, number = word.partition("=")
    return name, int(number)


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.comparison", description=__doc__)
    parser.add_argument("work", metavar="WORK", type=Path, help="folder of finished searches and fits")
    parser.add_argument("sets", metavar="NAME=FILE", nargs="+", help="a data set and its features")
    parser.add_argument("--trials", type=int, default=12, help="parameter sets a model (default: 12)")
    parser.add_argument(
        "--folds", type=int, default=6, help="parts of train + validation of published features (default: 6)"
    )
    parser.add_argument(
        "--clusters",
        metavar="NAME=N",
        nargs="+",
        type=_named_number,
        default=[],
        help="sets whose folds hold out one of N clusters of like sounds, such as voices",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of the fits (default: 0 to 4)")
    parser.add_argument(
        "--searches",
        type=int,
        default=5,
        metavar="N",
        help="how often some models are searched, to compare (default: 5)",
    )
    parser.add_argument(
        "--again",
        nargs="*",
        metavar="MODEL",
        help=f"the models that are searched so often (default: {' '.join(SEARCHED_AGAIN)})",
    )
    parser.add_argument(
        "--again-on", nargs="*", metavar="NAME", help="the sets on which they are (default: all that are searched)"
    )
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the page (default: docs)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
