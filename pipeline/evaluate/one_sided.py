"""Test clips of one side among the others: what each model gets where sounds without pictures are searched for too.

Everything else in metrics.json is measured on clips with both sides. An archive has others; here they are gallery items
of the modality that they have, and queries where something of the other modality is relevant to them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.chance import expected_average_precision
from pipeline.evaluate.metrics import over_queries, reciprocal_ranks
from pipeline.evaluate.model_metrics import CROSS_MODAL, EvaluateParams
from pipeline.evaluate.query_metrics import query_metrics
from pipeline.evaluate.query_sample import QuerySample, sample_queries
from pipeline.evaluate.relevance import all_tied
from pipeline.evaluate.results import Results
from pipeline.formats.embeddings import Embeddings
from pipeline.formats.feature_table import label_names
from pipeline.formats.headlines import headline_of
from pipeline.formats.one_sided import OneSided
from pipeline.groups import groups_of, row_hashes
from pipeline.retrieval.cosines import Array
from pipeline.settings.progress import track

SideVectors = Mapping[str, NDArray[np.float32]]
"""(n_seeds, m, k) by modality, audio first: of the clips that have that one alone."""

ALONE = "one_sided_"  # of the number of the queries of one side, beside that of all


class _MixedSearch(NamedTuple):
    """One direction: its queries and its gallery, by their places among pairs and the clips of one side behind them.

    Attributes:
        numbers: (n,) of all clips: what makes one relevant to another.
        rows: (n_queries,) places of the queries.
        items: (n_gallery,) places of the gallery.
        sample: which of the clips that could be queries they are.
        n_pairs: clips with both sides; clips of one side have a place of this or more.
    """

    numbers: NDArray[np.int64]
    rows: NDArray[np.int64]
    items: NDArray[np.int64]
    sample: QuerySample
    n_pairs: int

    @property
    def is_alone(self) -> NDArray[np.bool_]:
        """Which of the queries have one side."""
        return self.rows >= self.n_pairs

    @property
    def counts(self) -> dict[str, int]:
        """How many queries there are, how many of them have one side, and how many items are searched."""
        return {
            "n_queries": len(self.rows),
            f"n_{ALONE}queries": int(self.is_alone.sum()),
            "n_gallery": len(self.items),
        }


def measure_one_sided(
    results: Results, sides: OneSided, vectors: Mapping[str, SideVectors], params: EvaluateParams
) -> dict[str, Any]:
    """Return what metrics.json says of the clips of one side.

    ``models`` and ``chance`` have for each direction the number that models are ranked by, and recalls; those of the
    queries of one side alone have the prefix ``one_sided_``, where there are such queries. Numbers are means over the
    queries and a model's seeds. Where relevant is the class, clips without a label are left out.

    Args:
        results: of the clips with both sides.
        sides: the test clips of one side.
        vectors: of these, by model.
        params: section ``evaluate``.

    Raises:
        DataError: an embedding is not finite, or has another width than those of the pairs.
        ParamsError: ``max_queries`` is too small for two a class.
    """
    headline = headline_of(results.relevance)
    searches = _searches(results, sides, params)
    models = {
        name: {way: _numbers(results, name, vectors[name], way, search, params) for way, search in searches.items()}
        for name in track(results.embeddings, "evaluate", "model of one side")
    }
    return {
        "n_audio": len(sides.audio),
        "n_visual": len(sides.visual),
        "directions": {way: search.counts for way, search in searches.items()},
        "models": models,
        "chance": {way: _chance(search, headline) for way, search in searches.items()},
    }


def _searches(results: Results, sides: OneSided, params: EvaluateParams) -> dict[str, _MixedSearch]:
    """Both directions across the modalities."""
    numbers, is_known = _relevant_numbers(results, sides)
    n_pairs = len(results.rows)
    modality = np.repeat(["both", *OneSided._fields], [n_pairs, len(sides.audio), len(sides.visual)])
    searches = {}
    for way in CROSS_MODAL:
        query, searched = way.split("_to_")
        items = np.flatnonzero(is_known & (modality != query))
        usable = np.flatnonzero(is_known & (modality != searched) & np.isin(numbers, numbers[items]))
        strata = numbers[usable] if results.relevance == "class" else np.zeros(len(usable), np.int64)
        sample = sample_queries(strata, params.n_drawn(len(items), len(np.unique(strata))), params.seed)
        searches[way] = _MixedSearch(numbers, usable[sample.rows], items, sample, n_pairs)
    return searches


def _relevant_numbers(results: Results, sides: OneSided) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What makes one clip relevant to another, (n,), and of which clips it is known: pairs, then both sides."""
    first = next(iter(results.embeddings.values()))
    if results.relevance == "class":
        names = [*label_names(first.labels, first.classes), *sides.audio.labels, *sides.visual.labels]
        return np.unique(names, return_inverse=True)[1].astype(np.int64), np.array(names) != ""
    sounds, pictures = (results.groups.relations[name] for name in ("sounds", "pictures"))
    nothing = [""] * len(sides.audio), [""] * len(sides.visual)
    own = groups_of(
        [*sounds, *row_hashes(sides.audio.features), *nothing[1]],
        [*pictures, *nothing[0], *row_hashes(sides.visual.features)],
    )
    return own, np.ones(len(own), bool)


def _numbers(
    results: Results, model: str, vectors: SideVectors, way: str, search: _MixedSearch, params: EvaluateParams
) -> dict[str, float]:
    """What one model gets in one direction, the mean over its seeds."""
    queries, galleries = (_placed(results.embeddings[model], vectors, modality) for modality in way.split("_to_"))
    rows, items, numbers = search.rows, search.items, search.numbers
    seeds = [
        query_metrics(query[rows], gallery[items], numbers[rows], numbers[items], params.recall_at).scalars
        for query, gallery in zip(queries, galleries, strict=True)
    ]
    headline = headline_of(results.relevance)
    recalls = [name for name in seeds[0] if name.startswith("recall_at_")]
    values = {name: np.mean([seed[name] for seed in seeds], axis=0) for name in (headline, *recalls)}
    over_all = {name: float(over_queries(name, value, search.sample.weights)) for name, value in values.items()}
    return over_all | _of_alone(values[headline], search, headline)


def _placed(pairs: Embeddings, vectors: SideVectors, modality: str) -> NDArray[np.float32]:
    """The vectors of one modality at the places of all clips, (n_seeds, n, k); 0 where a clip lacks it."""
    n_seeds, _, width = pairs.audio.shape
    sides = [
        found if name == modality and found.size else np.zeros((n_seeds, found.shape[1], width), np.float32)
        for name, found in vectors.items()
    ]
    return np.concatenate([getattr(pairs, modality), *sides], axis=1)


def _of_alone(values: Array, search: _MixedSearch, headline: str) -> dict[str, float]:
    """The mean over the queries of one side; nothing where there is none."""
    alone, weights = search.is_alone, search.sample.weights
    return {f"{ALONE}{headline}": float(np.average(values[alone], weights=weights[alone]))} if alone.any() else {}


def _chance(search: _MixedSearch, headline: str) -> dict[str, float]:
    """What rankings get that know nothing, exactly."""
    n_items = len(search.items)
    n_relevant = np.bincount(search.numbers[search.items], minlength=search.numbers.max() + 1)[search.numbers]
    of_sizes = {size: _expected(n_items, size, headline) for size in np.unique(n_relevant[search.rows]).tolist()}
    values = np.array([of_sizes[size] for size in n_relevant[search.rows].tolist()])
    return {headline: float(values @ search.sample.weights)} | _of_alone(values, search, headline)


def _expected(n_items: int, n_relevant: int, headline: str) -> float:
    """The mean over all orders of a gallery, of one query."""
    if headline == "map":
        return expected_average_precision(n_items, n_relevant)
    return float(reciprocal_ranks(all_tied(n_items, n_relevant))[0])
