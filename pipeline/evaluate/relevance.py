"""What is relevant to a query: the clips of its class, or its own clip."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from pipeline.errors import ParamsError
from pipeline.evaluate.independence import Groups
from pipeline.evaluate.metrics import OfQueries, first_ranks, recalls, reciprocal_ranks
from pipeline.formats.embeddings import UNLABELLED, Embeddings
from pipeline.formats.headlines import CLIP_PREFIX, Relevance
from pipeline.groups import groups_of
from pipeline.retrieval.hits import Hits

AskedRelevance = Literal["auto", "class", "clip", "both"]
SAME_CLIP = ("sounds", "pictures")  # clips that are equal in one of these are one clip under several names


def chosen_relevance(asked: AskedRelevance, embeddings: Embeddings) -> tuple[Relevance, ...]:
    """Return what is measured: the first one is what models are ranked by.

    Args:
        asked: ``evaluate.relevance``; ``auto`` is ``class`` where a test clip has a label, else ``clip``.
        embeddings: of the test clips.

    Raises:
        ParamsError: classes are asked for, and no test clip has a label.
    """
    has_labels = any(name != UNLABELLED for name in embeddings.classes)
    if asked in ("class", "both") and not has_labels:
        raise ParamsError(f"evaluate.relevance={asked}: no test clip has a label; expected auto or clip")
    if asked == "both":
        return "class", "clip"
    return ("class" if asked == "class" or (asked == "auto" and has_labels) else "clip",)


def labelled_rows(embeddings: Embeddings) -> "np.typing.NDArray[np.int64]":
    """Return which of the test clips have a label: (m,)."""
    if embeddings.classes[-1] != UNLABELLED:
        return np.arange(len(embeddings.labels))
    return np.flatnonzero(embeddings.labels < len(embeddings.classes) - 1)


def by_class(embeddings: Embeddings) -> Embeddings:
    """Return the clips with a label, to which the others of their class are relevant."""
    classes = [name for name in embeddings.classes if name != UNLABELLED]
    return replace(embeddings.rows(labelled_rows(embeddings)), classes=classes)


def by_clip(embeddings: Embeddings, groups: Groups) -> Embeddings:
    """Return all clips, to which they themselves are relevant, and what has their sound or picture.

    Equal files have equal sounds; windows of one file do not, and are clips of their own.

    Args:
        embeddings: of the test clips.
        groups: of them, with what they share.
    """
    return replace(embeddings, own=groups_of(*(groups.relations[name] for name in SAME_CLIP)))


def clip_chance(embeddings: Embeddings, recall_at: Sequence[int]) -> dict[str, float]:
    """Return what rankings get that know nothing where relevant is the own clip: the mean over all orders.

    It is ``mrr``, recall at each cut-off, ``precision`` of any number of first results, and ``median_rank``, that of
    the queries' expected ranks.

    Args:
        embeddings: as ``by_clip`` returns them.
        recall_at: the cut-offs.
    """
    own, n_items = embeddings.relevant, len(embeddings.relevant)
    sizes = np.bincount(own)[own]  # (n,), of clips that are relevant to each
    counts = {size: int((sizes == size).sum()) for size in np.unique(sizes).tolist()}
    tied = {size: all_tied(n_items, size) for size in counts}
    of_queries: dict[str, OfQueries] = {"mrr": reciprocal_ranks}
    of_queries |= {f"recall_at_{k}": partial(recalls, k=k) for k in recall_at}
    chance = {
        name: sum(counts[size] * float(of(hits)[0]) for size, hits in tied.items()) / n_items
        for name, of in of_queries.items()
    }
    ranks = np.repeat([float(first_ranks(tied[size])[0]) for size in counts], list(counts.values()))
    return chance | {"precision": float(sizes.mean() / n_items), "median_rank": float(np.median(ranks))}


def prefixed(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return numbers whose relevant items are the own clip, to stand beside those of the class."""
    return {f"{CLIP_PREFIX}{name}": value for name, value in numbers.items()}


def all_tied(n_items: int, n_relevant: int) -> Hits:
    """Return one query all of whose items tie: its metrics are expectations over their orders.

    Args:
        n_items: that are searched.
        n_relevant: how many of them are relevant.
    """
    n_above, hits_above = np.zeros((2, 1, n_relevant), np.int64)
    return Hits(n_above, np.full_like(n_above, n_items), hits_above, np.full_like(n_above, n_relevant))
