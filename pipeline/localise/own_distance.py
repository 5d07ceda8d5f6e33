"""MS-VAE's own distance in its two tasks: localisation, and retrieval of single seconds.

A second of one modality has a latent mean and a generated pair, what the shared decoder makes of that mean. Two seconds
are as far apart as half the Euclidean distance of their latent means and half that of their generated pairs, which is
``pipeline.localise.sliding`` with the shares below; in retrieval the second half is the mean squared difference
instead. So do the authors' scripts.

References:
    Zhu, Wu, Latapie, Yang & Yan (2021), Learning Audio-Visual Correlations from Variational Cross-Modal Generation,
    ICASSP.
"""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from pipeline.errors import DataError
from pipeline.evaluate.metrics import reciprocal_ranks
from pipeline.localise.segments import WAYS, rows_not_alone
from pipeline.localise.sliding import Parts, Segments
from pipeline.network_parts.base import Modality
from pipeline.retrieval.cosines import Array, Labels, check_labels
from pipeline.retrieval.hits import Hits, exact_hits

SHARES = {"latent": (1.0, 0.0), "generated": (0.0, 1.0), "own": (0.5, 0.5)}  # of the latent and the generated half
_ROUNDING = 1e-9  # of the largest distance: those that differ by less are equal


@runtime_checkable
class WithOwnDistance(Protocol):
    """A model whose authors measure it by another distance than the cosine of its embeddings."""

    def own_parts(self, modality: Modality, features: NDArray[np.float32]) -> tuple[Segments, Segments]:
        """Return latent means (n, latent width) and generated pairs (n, both widths) of (n, width) features."""
        ...


def retrieval_by_distance(audio: Parts, visual: Parts, labels: Labels, shares: tuple[float, float]) -> dict[str, float]:
    """Return the mean reciprocal rank of the first second of the query's class, by the four ``WAYS``.

    Within a modality the query itself is not searched, and seconds alone in their class are no queries. Tied items have
    the expectation over their orders.

    Args:
        audio: latent means and generated pairs of n seconds, one a clip.
        visual: of the same seconds.
        labels: (n,) classes.
        shares: of the latent and of the generated distance, such as one of ``SHARES``.

    Raises:
        DataError: lengths do not match, a number is not finite, or no class has two seconds.
    """
    for name, halves in (("audio", audio), ("visual", visual)):
        check_labels(name, labels, len(halves[0]))
    _check_finite([*audio, *visual])
    not_alone = rows_not_alone(labels)
    modalities = {"audio": audio, "visual": visual}
    ranks = {}
    for way in WAYS:
        query, searched = way.split("_to_")
        distances = _retrieval_distances(modalities[query], modalities[searched], shares)
        within = query == searched
        rows = not_alone if within else np.arange(len(labels))
        ranks[way] = float(np.mean([_reciprocal_rank(-distances[row], labels, int(row), within) for row in rows]))
    return ranks


def _retrieval_distances(query: Parts, searched: Parts, shares: tuple[float, float]) -> Array:
    """(n_queries, n_items), in steps so small that only rounding is lost: the generated half is a mean square."""
    latent = cdist(query[0], searched[0])
    generated = cdist(query[1], searched[1], "sqeuclidean") / query[1].shape[1]
    distances = shares[0] * latent + shares[1] * generated
    steps = distances.max() * _ROUNDING
    return np.asarray(np.rint(distances / steps) if steps > 0 else distances)


def _reciprocal_rank(scores: Array, labels: Labels, own: int, within: bool) -> float:
    """Expected reciprocal rank of one query's first hit, whose own row is searched only across the modalities."""
    searched = np.ones(len(labels), bool)
    searched[own] = not within
    hits = exact_hits(scores[searched], scores[searched & (labels == labels[own])])
    return float(reciprocal_ranks(Hits(*(counts[None] for counts in hits)))[0])


def _check_finite(halves: Iterable[Segments]) -> None:
    """Refuse numbers that have no distance."""
    if not all(np.isfinite(half).all() for half in halves):
        raise DataError("latents or generated pairs: NaN or infinite values; expected finite numbers")
