"""The numbers of the page, from the scores of the fits."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline import linalg
from pipeline.errors import DataError
from pipeline.evaluate.chance import expected_average_precision
from pipeline.evaluate.independence import Groups, groups_of_test
from pipeline.evaluate.model_metrics import Direction, Measured, clip_scores, model_metrics
from pipeline.evaluate.query_sample import sample_queries
from pipeline.evaluate.significance import holm, sign_flip_test
from pipeline.formats.clips import Clip, read_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.retrieval.cosines import Array
from pipeline.tune.choice import Trial
from studies.ablation import MODEL
from studies.comparison import sets
from studies.comparison.fits import DIRECTIONS, METRICS, Fit
from studies.comparison.lines import Line, SetLines
from studies.comparison.sharing import Sharing, own_partners

BASELINES = ("label_probabilities", "ms_vae")  # no rivals: the one sees no pairs, the other no labels
N_PERMUTATIONS = 10_000
N_RESAMPLES = 2_000
SEED = 0  # of the permutations and of the resamples
N_CORRELATIONS = 9
CORRELATION_RIDGE = 0.1


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


class Lead(NamedTuple):
    """By how much another line is ahead of this one.

    Attributes:
        difference: of the average MAP.
        over_groups: interval of that, over groups of test clips; None: they are one group.
        p_holm: of no difference, corrected for the lines of the table.
    """

    difference: float
    over_groups: Interval | None
    p_holm: float


class MeasuredLine(NamedTuple):
    """A line of a table, measured on the test rows.

    Attributes:
        name: the model, or the preset.
        n_fits: seeds.
        metrics: as in metrics.json: of each direction and their average.
        over_groups: interval of the average MAP, over groups of test clips; None: they are one group.
        lead: of the line that all others are compared with; None for that line itself.
    """

    name: str
    n_fits: int
    metrics: dict[str, dict[str, float]]
    over_groups: Interval | None
    lead: Lead | None

    @property
    def map(self) -> float:
        """Test MAP, the average of both directions and all seeds."""
        return self.metrics["average"]["map"]


def rows(
    lines: Sequence[Line], reference: Line, measure: Callable[[Sequence[Fit]], Measured] | None = None
) -> list[MeasuredLine]:
    """Return a row for each line.

    A query's average precision is first averaged over seeds and directions; the test and the intervals over groups of
    queries are of these means.

    Args:
        lines: of one set and form.
        reference: what they are compared with; it may be one of them.
        measure: gives the scores of a line's fits; None: ``measured``.
    """
    measure = measure or measured
    groups = groups_of_set(reference.fits[0].features)
    measures = [measure(line.fits) for line in lines]
    scores = np.stack([clip_scores(of_line, DIRECTIONS) for of_line in measures])  # (n_lines, n_queries)
    ahead = clip_scores(measure(reference.fits), DIRECTIONS) - scores
    others = [i for i, line in enumerate(lines) if line.name != reference.name]
    p_values = holm(sign_flip_test(groups.sums(ahead[others]), N_PERMUTATIONS, SEED)).tolist() if others else []
    leads = {
        i: Lead(float(ahead[i].mean()), over_groups(ahead[i], groups), p) for i, p in zip(others, p_values, strict=True)
    }
    metrics = [model_metrics(of_line, groups) for of_line in measures]
    return [
        MeasuredLine(line.name, len(line.fits), metrics[i], over_groups(scores[i], groups), leads.get(i))
        for i, line in enumerate(lines)
    ]


def groups_of_set(features: Path) -> Groups:
    """Return the groups of a set's test clips.

    Args:
        features: the table that ``sets.prepare`` wrote, with the list of its clips beside it.
    """
    return groups_of_test(FeatureTable.load(features), read_clips(sets.clips_file(features)))


def measured(fits: Sequence[Fit]) -> Measured:
    """Return the scores of a model's fits by direction, (n_seeds, n_queries) each."""
    return as_measured([read(fit, "scores") for fit in fits], FeatureTable.load(fits[0].features).rows("test")[2])


def as_measured(files: Sequence[Mapping[str, NDArray[Any]]], labels: NDArray[np.int64]) -> Measured:
    """Return scores by direction, (n_seeds, n_queries) each.

    Args:
        files: what ``fits.scores`` found, of each seed.
        labels: (n_queries,).
    """
    sample = sample_queries(labels, None, SEED)
    curves = np.zeros((len(files), len(labels), 0))
    return {
        way: Direction(
            {name: np.stack([file[f"{way}.{name}"] for file in files]) for name in METRICS}, curves, curves, sample
        )
        for way in DIRECTIONS
    }


def read(fit: Fit, kind: str) -> dict[str, NDArray[Any]]:
    """Return the arrays that a fit left behind."""
    with np.load(fit.file(kind), allow_pickle=False) as file:
        return dict(file)


def over_groups(values: Array, groups: Groups) -> Interval | None:
    """Return the percentile bootstrap interval of a mean over queries, whose groups are drawn as a whole.

    Args:
        values: (n_queries,).
        groups: of the queries; of one group there is no interval.

    References:
        Efron & Tibshirani (1993), An Introduction to the Bootstrap, 13.3. Davison & Hinkley (1997), Bootstrap Methods
        and their Application, 3.8, of draws in groups.
    """
    if groups.n_groups == 1:
        return None
    if np.ptp(values) == 0:
        return Interval(float(values[0]), float(values[0]))
    of_groups = groups.sums(values), groups.sums(np.ones(len(values)))
    options = {"n_resamples": N_RESAMPLES, "method": "percentile", "batch": 100, "rng": SEED}
    resampled = stats.bootstrap(of_groups, _mean_of_sums, paired=True, vectorized=True, **options)
    return Interval(float(resampled.confidence_interval.low), float(resampled.confidence_interval.high))


def _mean_of_sums(sums: Array, sizes: Array, axis: int = -1) -> Array:
    """The mean over all clips of some groups."""
    return np.asarray(sums.sum(axis=axis) / sizes.sum(axis=axis))


def rivals(of_models: Sequence[MeasuredLine]) -> list[MeasuredLine]:
    """Return the lines of the models that the main one is compared with: all but itself and the ``BASELINES``."""
    return [row for row in of_models if row.name not in (MODEL, *BASELINES)]


def best_rival(of_models: Sequence[MeasuredLine]) -> MeasuredLine | None:
    """Return the rival of the highest test MAP; None where there is none."""
    return max(rivals(of_models), key=lambda row: row.map, default=None)


def likeliest_rival(of_models: Sequence[MeasuredLine], trials: Mapping[str, Trial]) -> MeasuredLine | None:
    """Return the rival of the highest validation MAP; None where there is none."""
    return max(rivals(of_models), key=lambda row: trials[row.name].validation_map, default=None)


def correlations(fit: Fit) -> tuple[Array, Array]:
    """Return the canonical correlations of a model's embeddings: of the train rows, and of the test rows.

    Both are those of the variates of a CCA that is fitted on the embeddings of the train rows, a component each.
    """
    of = read(fit, "embeddings")
    n_components = min(N_CORRELATIONS, of["train_audio"].shape[1])
    cca = linalg.cca(of["train_audio"], of["train_visual"], n_components, CORRELATION_RIDGE)
    train, test = (
        _paired_correlations(cca.x_variates(of[f"{split}_audio"]), cca.y_variates(of[f"{split}_visual"]))
        for split in ("train", "test")
    )
    return train, test


def facts(lines: SetLines) -> dict[str, Any]:
    """Return what a set consists of, what its pairs share, and the MAP of a random order of its gallery."""
    table = FeatureTable.load(lines.features)
    sizes = np.bincount(table.rows("test")[2])
    chance = sum(size * expected_average_precision(sizes.sum(), size) for size in sizes if size) / sizes.sum()
    return {
        "n_clips": {split: table.splits.count(split) for split in ("train", "validation", "test")},
        "n_classes": len(table.classes),
        "audio_width": table.audio.shape[1],
        "visual_width": table.visual.shape[1],
        "chance_map": float(chance),
        "groups": groups_of_set(lines.features).counts(),
        "sharing": _sharing(table, read_clips(sets.clips_file(lines.features))),
    }


def _sharing(table: FeatureTable, clips: Sequence[Clip]) -> Sharing | None:
    """What pairs share beyond the class; None where the classes have too few clips to say."""
    try:
        return own_partners(table, clips)
    except DataError:
        return None


def _paired_correlations(x: Array, y: Array) -> Array:
    """Pearson's correlation of each column of x with that of y, (k,)."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    norms = np.linalg.norm(x, axis=0) * np.linalg.norm(y, axis=0)
    return np.asarray((x * y).sum(axis=0) / np.maximum(norms, np.finfo(np.float64).tiny))
