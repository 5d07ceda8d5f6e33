"""When two subspaces help: few labels, wrong labels, and what pairs share beyond their class.

usage: python -m studies.few_labels WORK [NAME=FILE...] [--shared RHO...] [--made RHO...] [--seeds S...] [--pseudo]
           [--tied] [--conditions N] [--curves FILE]

Made pairs, whose share of common nuisance is set, and feature files, of whose train labels some are hidden or redrawn.
Each seed is another draw of the made pairs, and of the labels that are hidden; test labels are all true. Nothing is
chosen by labels: parameters are those of section ``model``, and a share by agreement is that of validation pairs. All
forms have as many outputs. Finished draws stay in WORK; prints tables in Markdown.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.evaluate.independence import groups_of_test
from pipeline.formats.clips import read_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.settings.progress import track
from studies.comparison import sets
from studies.few_labels.curves import draw_curves
from studies.few_labels.draws import MADE, MADE_HARD, Draw
from studies.few_labels.fits import scores
from studies.few_labels.tables import tables

LABELS = ((0.05, 0.0), (1.0, 0.4), (1.0, 0.0), (0.25, 0.0))  # labelled fraction, and how many of these are redrawn


def main() -> None:
    """Fit what is not there yet, and print the tables."""
    arguments = _arguments()
    try:
        files = {source.name: sets.prepare(source, arguments.work / "sets") for source in sets.parse(arguments.sets)}
        draws = list(_draws(arguments, list(files)))
        more = {"has_pseudo": arguments.pseudo, "has_tied": arguments.tied}
        found = {
            draw: scores(draw, files.get(draw.data), arguments.work, **more)
            for draw in track(draws, "few labels", "draw")
        }
        if arguments.curves:
            draw_curves(arguments.curves, found)
    except PipelineError as error:
        sys.exit(f"few_labels: {type(error).__name__}: {error}")
    groups = {
        name: groups_of_test(FeatureTable.load(file), read_clips(sets.clips_file(file))) for name, file in files.items()
    }
    print("\n".join(tables({draw: found[draw] for draw in sorted(found, key=_order)}, groups)))


def _draws(arguments: argparse.Namespace, files: list[str]) -> Iterator[Draw]:
    """All draws of a seed before those of the next, so that a run that is stopped has whole seeds."""
    hard, easy = (product([name], of) for name, of in ((MADE_HARD, arguments.shared), (MADE, arguments.made)))
    data = [*hard, *product(files, [None]), *easy]
    for seed, (name, shared), (labelled, wrong) in product(arguments.seeds, data, LABELS[: arguments.conditions]):
        yield Draw(name, shared, labelled, wrong, seed)


def _order(draw: Draw) -> tuple[str, float, float, float]:
    """Where a draw stands in the tables: most labels first, then redrawn ones."""
    return draw.data, draw.shared or 0.0, draw.wrong, -draw.labelled


def _arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m studies.few_labels", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, metavar="WORK", help="folder of what is finished")
    parser.add_argument(
        "sets", nargs="*", metavar="NAME=FILE", help="feature files, or data/features.safetensors of a run"
    )
    parser.add_argument("--shared", nargs="*", type=float, default=[0.5, 0.9, 0.0], metavar="RHO", help="of made_hard")
    parser.add_argument("--made", nargs="*", type=float, default=[], metavar="RHO", help="shared parts of made")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="S")
    parser.add_argument("--pseudo", action="store_true", help="fit forms with pseudo-labels too")
    parser.add_argument("--tied", action="store_true", help="fit forms too whose branches are tied")
    parser.add_argument("--conditions", type=int, default=len(LABELS), metavar="N", help="the first N of the labels'")
    parser.add_argument("--curves", type=Path, metavar="FILE", help="a PNG file of the curves")
    return parser.parse_args()


if __name__ == "__main__":
    main()
