"""How many groups must folds hold out whole: searches on real rows by folds of g groups, tested on other groups.

usage: python -m studies.few_groups WORK NAME=FILE... [--groups G...] [--groupings N] [--models M...] [--searches S...]

Files of published features rarely name voices or places, so that groups are kinds of sound here: the clusters of
``avr tune --by-cluster``, of all rows. Every kind has equally many rows of every class, and pictures that no other kind
has: they are dealt anew within the class, which changes little where pairs share the class alone. A grouping draws a
third of the kinds as test; g of the others are the rows to search and fit on, for every g equally many rows in all. The
searches are those of ``avr tune`` without its rule of ``FEWEST_GROUPS``. Searches and fits leave files in WORK; a run
that was killed goes on where it stopped.
"""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from pipeline.errors import PipelineError
from pipeline.formats.clips import Clip, write_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.groups import row_hashes
from pipeline.tune import choice
from pipeline.tune.folds import Integers, residual_clusters
from pipeline.tune.trials import Budget
from studies import tuning
from studies.comparison import jobs, lines, sets
from studies.comparison.jobs import Search

MODELS = ["cca", "c_cca"]
MOST_KINDS = 12
FEWEST_SOUNDS = 3  # of a class in each kind
UNUSED = -1  # the kind of a row that is in none
WIDEST = 128  # principal components of wider features, for searches that end


class GroupedSet(NamedTuple):
    """Rows of a few groups to search and fit on, and of other groups to test on.

    Attributes:
        data: name of the set that the rows are from.
        n_groups: that are not test.
        grouping: number of the draw of test groups.
        features: file of the table, beside its clips, whose ``source_id`` is the group.
    """

    data: str
    n_groups: int
    grouping: int
    features: Path


GroupedRow = tuple[GroupedSet, tuning.SearchRow]
"""A set, and what a search on it came to."""


def main() -> None:
    """Make the sets, search, fit, print the table."""
    arguments = _arguments()
    try:
        sections = tuning.sections_of(arguments.models)
        made = [
            of
            for source in sets.parse(arguments.sets)
            for of in grouped_sets(source, arguments.groups, arguments.groupings, arguments.work)
        ]
        print("\n".join(page(list(searched(made, sections, arguments)))))
    except PipelineError as error:
        sys.exit(f"few_groups: {type(error).__name__}: {error}")


def searched(
    made: Sequence[GroupedSet], sections: Mapping[str, str], arguments: argparse.Namespace
) -> Iterator[GroupedRow]:
    """Yield what every search came to, after running those searches and fits that are not there.

    Args:
        made: the sets.
        sections: of the models in params.yaml.
        arguments: of the command line.
    """
    with of_any_groups():
        todo = [
            (of, lines.searches(of.features, sections, budget, arguments.work / f"search-{seed}"))
            for of in made
            for seed in arguments.searches
            for budget in [Budget(arguments.trials, of.n_groups, seed)]
        ]
    found = tuning.rows_of([of_search for _, of_search in todo], arguments.seeds, arguments.work, search)
    for (of, _), rows in zip(todo, found, strict=True):
        yield from ((of, row) for row in rows)


@contextmanager
def of_any_groups() -> Iterator[None]:
    """Take the rule away, so that two groups are searched too."""
    kept, choice.FEWEST_GROUPS = choice.FEWEST_GROUPS, 1
    try:
        yield
    finally:
        choice.FEWEST_GROUPS = kept


def search(job: Search) -> None:
    """Write the tables of a search by however few groups."""
    with of_any_groups():
        jobs.search(job)


def grouped_sets(
    source: sets.FeatureSet, n_groups: Sequence[int], n_groupings: int, work: Path
) -> Iterator[GroupedSet]:
    """Yield the sets of one source, after writing their tables.

    Args:
        source: of published features.
        n_groups: numbers g of kinds that are searched on; of more than there are beside the test kinds no set is made.
        n_groupings: draws of test kinds.
        work: folder.

    Raises:
        DataError: the file cannot be read.
    """
    table = FeatureTable.load(sets.prepare(source, work / "sets"))
    kinds = kinds_of_sound(table.audio, table.labels)
    n_kinds = int(kinds.max()) + 1
    pictures = dealt_pictures(table.visual, table.labels, kinds)
    table = replace(table, audio=narrowed(table.audio), visual=narrowed(table.visual)[pictures])
    n_test = round(n_kinds / 3)
    for grouping in range(n_groupings):
        test, others = np.split(np.random.default_rng([grouping, n_kinds]).permutation(n_kinds), [n_test])
        for g in [g for g in n_groups if g <= len(others)]:
            splits = splits_of(table.labels, kinds, test, others[:g], min(n_groups), grouping)
            path = work / "sets" / f"{source.name}_{g}_groups_{grouping}.safetensors"
            _write(table, splits, kinds, path)
            yield GroupedSet(source.name, g, grouping, path)


def kinds_of_sound(audio: NDArray[np.float32], labels: Integers) -> Integers:
    """Return the kind of each sound, (n,), equally many of each class in every kind; ``UNUSED`` of what is left over.

    Of equal sounds one is used. There are ``MOST_KINDS``, or as many as leave ``FEWEST_SOUNDS`` of every class to each.
    Their centres are those of ``residual_clusters`` of standardised features, to which each class is assigned at the
    least sum of squared distances.

    Args:
        audio: (n, width) features.
        labels: (n,).
    """
    first = np.zeros(len(audio), bool)
    first[np.unique(row_hashes(audio), return_index=True)[1]] = True
    n_kinds = min(MOST_KINDS, int(np.unique(labels[first], return_counts=True)[1].min()) // FEWEST_SOUNDS)
    rows = ((audio - audio.mean(axis=0)) / np.maximum(audio.std(axis=0), 1e-6)).astype(np.float32)
    clusters = residual_clusters(rows, labels, n_kinds, 0)
    residuals = rows - np.stack([rows[labels == label].mean(axis=0) for label in range(labels.max() + 1)])[labels]
    centres = np.stack([residuals[clusters == kind].mean(axis=0) for kind in range(n_kinds)])
    kinds = np.full(len(rows), UNUSED)
    for label in np.unique(labels):
        of_class = np.flatnonzero((labels == label) & first)
        slots = np.repeat(np.arange(n_kinds), len(of_class) // n_kinds)
        chosen, places = linear_sum_assignment(cdist(residuals[of_class], centres[slots], "sqeuclidean"))
        kinds[of_class[chosen]] = slots[places]
    return kinds


def dealt_pictures(visual: NDArray[np.float32], labels: Integers, kinds: Integers) -> Integers:
    """Return the row whose picture each row gets, (n,): one of its class, that rows of no other kind get.

    Args:
        visual: (n, width) features, in which pictures may repeat.
        labels: (n,).
        kinds: (n,), from ``kinds_of_sound``.
    """
    rng, dealt, hashes = np.random.default_rng(0), np.arange(len(labels)), np.array(row_hashes(visual))
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        pictures = rng.permutation(of_class[np.unique(hashes[of_class], return_index=True)[1]])
        for kind, hand in enumerate(np.array_split(pictures, kinds.max() + 1)):
            rows = of_class[kinds[of_class] == kind]
            dealt[rows] = np.resize(hand, len(rows))
    return dealt


def narrowed(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return wide features as their leading ``WIDEST`` principal components, for searches that end; others as they are.

    Args:
        features: (n, width), of all rows, whose labels are not looked at.
    """
    if features.shape[1] <= WIDEST:
        return features
    return np.asarray(PCA(WIDEST, svd_solver="full").fit_transform(features), np.float32)


def splits_of(
    labels: Integers, kinds: Integers, test: Integers, used: Integers, n_fewest: int, seed: int
) -> NDArray[np.str_]:
    """Return the split of each row, (n,), empty for rows that are not used.

    Args:
        labels: (n,).
        kinds: (n,), from ``kinds_of_sound``.
        test: kinds that are test, with all their rows.
        used: kinds of which some rows are train and, one of five, validation.
        n_fewest: kinds that would have as many rows as are drawn, of each class.
        seed: of the draw.
    """
    rng, splits = np.random.default_rng(seed), np.full(len(labels), "", dtype="<U10")
    splits[np.isin(kinds, test)] = "test"
    for label in np.unique(labels):
        cells = [rng.permutation(np.flatnonzero((labels == label) & (kinds == kind))) for kind in used]
        rows = np.arange(n_fewest * len(cells[0]))  # dealt to the kinds in turn
        drawn = np.concatenate([cell[: len(rows[place :: len(cells)])] for place, cell in enumerate(cells)])
        splits[drawn] = "train"
        splits[rng.permutation(drawn)[: len(drawn) // 5]] = "validation"
    return splits


def _write(table: FeatureTable, splits: NDArray[np.str_], kinds: Integers, path: Path) -> None:
    """The table of the rows that are used, and its clips."""
    rows = np.flatnonzero(splits != "")
    names, of_rows, labels = [table.clip_ids[row] for row in rows], splits[rows].tolist(), table.labels[rows]
    made = FeatureTable(
        clip_ids=names,
        splits=of_rows,
        labels=labels,
        classes=table.classes,
        audio=table.audio[rows],
        visual=table.visual[rows],
        provenance=table.provenance,
    )
    made.save(path)
    of_clips = zip(names, labels, of_rows, kinds[rows].tolist(), strict=True)
    write_clips(
        sets.clips_file(path),
        [Clip(clip_id=n, path="", label=table.classes[c], split=s, source_id=f"kind {k}") for n, c, s, k in of_clips],
    )


def page(of_sets: Sequence[GroupedRow]) -> Iterator[str]:
    """Yield the lines of a Markdown table: a row for each set, model and number of groups; of all models first."""
    of_rows: dict[tuple[str, str, int], list[GroupedRow]] = defaultdict(list)
    for of, row in of_sets:
        for model in ("all", f"`{row.model}`"):
            of_rows[of.data, model, of.n_groups].append((of, row))
    yield "| set | model | groups | searches | not trial 0 | ahead on folds | gain on test | worst | below | above |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for (data, model, n_groups), of_row in sorted(of_rows.items(), key=lambda item: (item[0][1] != "all", item[0])):
        yield f"| {data} | {model} | {n_groups} | {' | '.join(_cells(of_row))} |"


def _cells(of_sets: Sequence[GroupedRow]) -> Iterator[str]:
    """What stands in a row: counts, and points of MAP."""
    rows = [row for _, row in of_sets]
    mean, error = mean_over_groupings(of_sets)
    yield str(len(rows))
    yield str(sum(row.trial != 0 for row in rows))
    yield f"{100 * float(np.mean([row.validation_lead for row in rows])):+.1f}"
    yield f"{100 * mean:+.2f} ± {100 * error:.2f}"
    yield f"{100 * min(row.gain.difference for row in rows):+.1f}"
    yield str(sum(row.gain.difference < -row.gain.standard_error for row in rows))
    yield str(sum(row.gain.difference > row.gain.standard_error for row in rows))


def mean_over_groupings(of_sets: Sequence[GroupedRow]) -> tuple[float, float]:
    """Return the mean gain, and its standard error over the groupings, each with other test groups; NaN for one."""
    by_grouping: dict[int, list[float]] = defaultdict(list)
    for of, row in of_sets:
        by_grouping[of.grouping].append(row.gain.difference)
    means = [float(np.mean(gains)) for gains in by_grouping.values()]
    error = float(np.std(means, ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else math.nan
    return float(np.mean(means)), error


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.few_groups", description=__doc__)
    parser.add_argument("work", metavar="WORK", type=Path, help="folder of finished searches and fits")
    parser.add_argument("sets", metavar="NAME=FILE", nargs="+", help="a data set and its features")
    parser.add_argument("--groups", type=int, nargs="+", default=[2, 3, 4, 5, 6, 8], help="default: 2 3 4 5 6 8")
    parser.add_argument("--groupings", type=int, default=8, help="draws of test groups (default: 8)")
    parser.add_argument("--models", nargs="+", default=MODELS, help=f"default: {' '.join(MODELS)}")
    parser.add_argument("--searches", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="their seeds (0 to 4)")
    parser.add_argument("--trials", type=int, default=12, help="parameter sets a model (default: 12)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the fits (default: 0 1)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
