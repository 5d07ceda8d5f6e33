"""The numbers of metrics.json, from the embeddings of the test clips."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt
from scipy import special

from pipeline.evaluate.chance import chance_map, expected_average_precision
from pipeline.evaluate.independence import Groups, standard_error
from pipeline.evaluate.metrics import over_queries
from pipeline.evaluate.query_metrics import query_metrics
from pipeline.evaluate.query_sample import QuerySample, sample_queries
from pipeline.evaluate.relevance import AskedRelevance
from pipeline.evaluate.significance import holm, sign_flip_test
from pipeline.formats.embeddings import Embeddings
from pipeline.retrieval.cosines import Array
from pipeline.settings.params import StageParams

Cutoffs = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
Table = list[dict[str, Any]]

AUTO_COMPARISONS = 20_000**2  # a direction and seed: some seconds a core
AUTO_LEAST = 1_000  # queries: a MAP is then known to 0.02 or better
AUTO_WITHIN = 5_000  # test clips: half a second a direction and seed
CROSS_MODAL = ("audio_to_visual", "visual_to_audio")
WITHIN_MODALITY = ("audio_to_audio", "visual_to_visual")


class EvaluateParams(StageParams):
    """Section ``evaluate`` of params.yaml.

    Attributes:
        max_queries: how many queries are drawn; None: all are asked; ``auto``: all where that compares no more than
            ``AUTO_COMPARISONS`` pairs, else so many that it does.
        within_modality: whether sounds search sounds too, and pictures pictures, which takes as long again; ``auto``:
            of ``AUTO_WITHIN`` test clips at most.
    """

    relevance: AskedRelevance
    recall_at: Cutoffs
    scope_sizes: Cutoffs
    max_queries: PositiveInt | Literal["auto"] | None
    within_modality: bool | Literal["auto"]
    kept_results: PositiveInt
    trec_rows: NonNegativeInt
    chance_permutations: Annotated[int, Field(ge=2)]
    significance_permutations: PositiveInt
    seed: NonNegativeInt

    def n_drawn(self, n_items: int, n_classes: int) -> int | None:
        """Return how many queries of a gallery are drawn; None: all of them.

        Args:
            n_items: size of the gallery.
            n_classes: of the queries; with ``auto`` at least two are drawn of each.

        Example:
            >>> params = EvaluateParams.model_construct(max_queries="auto")
            >>> [params.n_drawn(n_items, n_classes=10) for n_items in (20_000, 100_000, 1_000_000)]
            [None, 4000, 1000]
        """
        if self.max_queries != "auto":
            return self.max_queries
        n_drawn = max(AUTO_LEAST, 2 * n_classes, AUTO_COMPARISONS // n_items)
        return None if n_items**2 <= AUTO_COMPARISONS else n_drawn

    def looks_within(self, n_items: int) -> bool:
        """Return whether the directions within a modality are measured of so many test clips."""
        return n_items <= AUTO_WITHIN if self.within_modality == "auto" else self.within_modality

    def n_compared(self, n_items: int, n_classes: int) -> int:
        """Return how many similarities one fit's metrics look at, all directions together; see ``n_drawn``."""
        n_directions = len(CROSS_MODAL) + self.looks_within(n_items) * len(WITHIN_MODALITY)
        n_drawn = self.n_drawn(n_items, n_classes) or n_items
        return n_directions * min(n_drawn, n_items) * n_items


class Direction(NamedTuple):
    """What was measured of one model's queries in one direction.

    Attributes:
        scalars: (n_seeds, n_queries) each, by name: those of ``QueryMetrics``.
        precision_at_scope: (n_seeds, n_queries, n_scopes).
        precision_at_recall: (n_seeds, n_queries, 11).
        sample: which clips are the queries, and how many each one stands for.
    """

    scalars: dict[str, Array]
    precision_at_scope: Array
    precision_at_recall: Array
    sample: QuerySample


Measured = Mapping[str, Direction]


def measure(embeddings: Embeddings, params: EvaluateParams) -> dict[str, Direction]:
    """Return what is measured across the modalities and within each, by direction.

    Within a modality a query is not searched for itself, and clips that are alone in their class are no queries; a test
    split of nothing else has no such direction, nor has one where relevant is the own clip, or where nobody asks.

    Raises:
        DataError: an embedding is not finite.
        ParamsError: all scopes are larger than the gallery, or ``max_queries`` is too small for two a class.
    """
    numbers = embeddings.labels
    not_alone = np.flatnonzero(np.bincount(numbers)[numbers] > 1)
    measured = {name: _measure(embeddings, name, np.arange(len(numbers)), params) for name in CROSS_MODAL}
    if not_alone.size and embeddings.own is None and params.looks_within(len(numbers)):
        measured |= {name: _measure(embeddings, name, not_alone, params) for name in WITHIN_MODALITY}
    return measured


def _measure(embeddings: Embeddings, name: str, usable: NDArray[np.int64], params: EvaluateParams) -> Direction:
    """One direction, with the usable clips as queries."""
    numbers = embeddings.relevant
    queries, galleries = (getattr(embeddings, modality) for modality in name.split("_to_"))
    strata = embeddings.labels[usable]
    sample = sample_queries(strata, params.n_drawn(len(numbers), len(np.unique(strata))), params.seed)
    rows = usable[sample.rows]
    own = rows if name in WITHIN_MODALITY else None
    scopes = embeddings.scopes(params.scope_sizes)
    seeds = [
        query_metrics(query[rows], gallery, numbers[rows], numbers, params.recall_at, scopes, own)
        for query, gallery in zip(queries, galleries, strict=True)
    ]
    return Direction(
        {metric: np.stack([seed.scalars[metric] for seed in seeds]) for metric in seeds[0].scalars},
        np.stack([seed.precision_at_scope for seed in seeds]),
        np.stack([seed.precision_at_recall for seed in seeds]),
        sample._replace(rows=rows),
    )


def model_metrics(measured: Measured, groups: Groups, headline: str = "map") -> dict[str, dict[str, float]]:
    """Return scalars by direction, and their ``average`` over the two directions across the modalities.

    Every number is the mean over the seeds. The MAP of one fit spreads in two parts: ``map_std`` between the seeds, the
    standard deviation over them, 0 for one seed; ``map_within_std`` within a seed, the standard error over groups of
    test clips, the root mean square over the seeds, where there are two groups or more.
    ``map_margin`` is half the width of the 95 % interval of the mean over the seeds by Student's t, for two seeds or
    more. ``map_sampling_margin`` is the same for the draw of the queries, where not all clips are queries.

    Args:
        measured: of one model.
        groups: of the test clips.
        headline: the metric whose spread is looked at, in place of the MAP.
    """
    by_seed = {name: _seed_values(direction) for name, direction in measured.items()}
    one, other = (by_seed[name] for name in CROSS_MODAL)
    by_seed["average"] = {metric: (one[metric] + other[metric]) / 2 for metric in one}
    report = {name: _over_seeds(values, headline) for name, values in by_seed.items()}
    for name in by_seed:
        sources = CROSS_MODAL if name == "average" else (name,)
        sample = measured[sources[0]].sample
        report[name] |= _within_seeds(seed_scores(measured, sources, headline), sample, groups, headline)
        if len(sample.rows) < sample.class_sizes.sum():
            report[name][f"{headline}_sampling_margin"] = sample.margin(clip_scores(measured, sources, headline))
    return report


def chance(embeddings: Embeddings, params: EvaluateParams) -> dict[str, float]:
    """Return what rankings get that know nothing.

    ``map`` and ``map_std``; ``precision`` of any number of first results; ``map_within`` where the query is not in the
    gallery, and the directions within a modality are measured.
    """
    numbers = embeddings.labels
    result = chance_map(numbers, numbers, params.chance_permutations, params.seed)
    sizes = np.bincount(numbers)[numbers]
    sizes_within = sizes[sizes > 1] if params.looks_within(len(numbers)) else ()
    within = [expected_average_precision(len(numbers) - 1, int(size) - 1) for size in sizes_within]
    return {
        "map": result.mean,
        "map_std": result.sd,
        "precision": float(np.mean(sizes / len(numbers))),
        **({"map_within": float(np.mean(within))} if within else {}),
    }


def significance_rows(
    models: Mapping[str, Measured], groups: Groups, params: EvaluateParams, headline: str = "map"
) -> Table:
    """Return a row for each pair of models: how far their MAP is apart, and whether the test clips' luck explains it.

    ``difference`` is the MAP of ``model`` minus that of ``other``, the average of both directions across the modalities
    and of all seeds. ``p`` is the two-sided p-value of a paired permutation test over groups of clips, of which all
    differences change their sign together; ``p_holm`` is ``p`` corrected for the number of pairs.

    Args:
        models: what was measured, by model.
        groups: of the test clips.
        params: how many permutations, and their seed.
        headline: the metric that is compared, in place of the MAP.
    """
    pairs = list(combinations(models, 2))
    if not pairs:
        return []
    scores = {name: clip_scores(measured, CROSS_MODAL, headline) for name, measured in models.items()}
    sample = next(iter(models.values()))[CROSS_MODAL[0]].sample
    differences = np.stack([(scores[one] - scores[other]) * sample.weights for one, other in pairs])
    of_groups = groups.of_rows(sample.rows).sums(differences)
    p_values = sign_flip_test(of_groups, params.significance_permutations, params.seed)
    columns = zip(pairs, differences.sum(axis=1).tolist(), p_values.tolist(), holm(p_values).tolist(), strict=True)
    return [
        {"model": one, "other": other, "difference": difference, "p": p, "p_holm": p_holm}
        for (one, other), difference, p, p_holm in columns
    ]


def clip_scores(measured: Measured, names: Sequence[str], metric: str = "map") -> Array:
    """Return each query's average precision, the mean over seeds and directions: (n_queries,).

    Args:
        measured: of one model.
        names: the directions.
        metric: another one than the average precision.
    """
    return np.asarray(np.mean([measured[name].scalars[metric] for name in names], axis=(0, 1)))


def seed_scores(measured: Measured, names: Sequence[str], metric: str = "map") -> Array:
    """Return each query's average precision with each seed, the mean over directions: (n_seeds, n_queries).

    Args:
        measured: of one model.
        names: the directions.
        metric: another one than the average precision.
    """
    return np.asarray(np.mean([measured[name].scalars[metric] for name in names], axis=0))


def _within_seeds(scores: Array, sample: QuerySample, groups: Groups, headline: str) -> dict[str, float]:
    """The spread that one fit has by the luck of the test clips; nothing for one group of them."""
    errors = standard_error(scores, sample.weights, groups.of_rows(sample.rows))
    return {f"{headline}_within_std": float(np.sqrt((errors**2).mean()))} if np.isfinite(errors).all() else {}


def _seed_values(direction: Direction) -> dict[str, Array]:
    """Every metric over the queries, (n_seeds,) each."""
    weights = direction.sample.weights
    return {metric: over_queries(metric, values, weights) for metric, values in direction.scalars.items()}


def _over_seeds(values: Mapping[str, Array], headline: str) -> dict[str, float]:
    """Mean of every metric, and the spread of one."""
    means = {metric: float(by_seed.mean()) for metric, by_seed in values.items()}
    n_seeds = len(values[headline])
    if n_seeds == 1:
        return {**means, f"{headline}_std": 0.0}
    spread = float(values[headline].std(ddof=1))
    margin = float(special.stdtrit(n_seeds - 1, 0.975) * spread / n_seeds**0.5)
    return {**means, f"{headline}_std": spread, f"{headline}_margin": margin}
