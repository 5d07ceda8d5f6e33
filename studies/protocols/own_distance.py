"""MS-VAE's own distance in its two tasks: localisation, and retrieval of single seconds.

A second of one modality has a latent mean and a generated pair, what the shared decoder makes of that mean. Two seconds
are as far apart as half the Euclidean distance of their latent means and half that of their generated pairs; in
retrieval the second half is the mean squared difference instead. So do the authors' scripts.

References:
    Zhu, Wu, Latapie, Yang & Yan (2021), Learning Audio-Visual Correlations from Variational Cross-Modal Generation,
    ICASSP.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from pipeline.errors import DataError
from pipeline.evaluate.metrics import reciprocal_ranks
from pipeline.retrieval.cosines import Array, Labels, check_labels
from pipeline.retrieval.hits import Hits, exact_hits
from studies.protocols.few_queries import rows_not_alone
from studies.protocols.localisation import credit, sliding_distances

SHARES = {"latent": (1.0, 0.0), "generated": (0.0, 1.0), "own": (0.5, 0.5)}  # of the latent and the generated half
_ROUNDING = 1e-9  # of the largest distance: those that differ by less are equal
WAYS = ("audio_to_audio", "audio_to_visual", "visual_to_audio", "visual_to_visual")


class Halves(NamedTuple):
    """Seconds of one modality as MS-VAE sees them.

    Attributes:
        latent: (n, latent width) means.
        generated: (n, both widths), what the decoder makes of them.
    """

    latent: NDArray[np.floating[Any]]
    generated: NDArray[np.floating[Any]]

    def rows(self, rows: slice | NDArray[np.int64]) -> "Halves":
        """Return some of the seconds."""
        return Halves(self.latent[rows], self.generated[rows])


class HalvedVideo(NamedTuple):
    """One video second by second, and the event in it: its first second and how many it lasts."""

    audio: Halves
    visual: Halves
    start: int
    length: int


def localisation_by_distance(videos: Sequence[HalvedVideo], shares: tuple[float, float]) -> dict[str, float]:
    """Return the share of videos whose event is found, ``audio_to_visual`` and ``visual_to_audio``, in [0, 1].

    Args:
        videos: at least one, each longer than its event.
        shares: of the latent and of the generated distance, such as one of ``SHARES``.

    Raises:
        DataError: there is no video, or a number is not finite.
    """
    if not videos:
        raise DataError("localisation: no video; expected at least one")
    _check_finite([half for video in videos for half in (*video.audio, *video.visual)])
    found: dict[str, list[float]] = {"audio_to_visual": [], "visual_to_audio": []}
    for audio, visual, start, length in videos:
        for way, (event, searched) in zip(found, ((audio, visual), (visual, audio)), strict=True):
            halves = zip(shares, event.rows(slice(start, start + length)), searched, strict=True)
            sums = sum(share * sliding_distances(half, other) for share, half, other in halves)
            found[way].append(credit(np.asarray(sums), start))
    return {way: float(np.mean(shares_found)) for way, shares_found in found.items()}


def retrieval_by_distance(
    audio: Halves, visual: Halves, labels: Labels, shares: tuple[float, float]
) -> dict[str, float]:
    """Return the mean reciprocal rank of the first second of the query's class, by the four ``WAYS``.

    Within a modality the query itself is not searched, and seconds alone in their class are no queries. Tied items have
    the expectation over their orders.

    Args:
        audio: n seconds, one a video.
        visual: the same seconds.
        labels: (n,) classes.
        shares: as of ``localisation_by_distance``.

    Raises:
        DataError: lengths do not match, a number is not finite, or no class has two seconds.
    """
    for name, half in (("audio", audio), ("visual", visual)):
        check_labels(name, labels, len(half.latent))
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


def _retrieval_distances(query: Halves, searched: Halves, shares: tuple[float, float]) -> Array:
    """(n_queries, n_items), in steps so small that only rounding is lost: the generated half is a mean square."""
    latent = cdist(query.latent, searched.latent)
    generated = cdist(query.generated, searched.generated, "sqeuclidean") / query.generated.shape[1]
    distances = shares[0] * latent + shares[1] * generated
    steps = distances.max() * _ROUNDING
    return np.asarray(np.rint(distances / steps) if steps > 0 else distances)


def _reciprocal_rank(scores: Array, labels: Labels, own: int, within: bool) -> float:
    """Expected reciprocal rank of one query's first hit, whose own row is searched only across the modalities."""
    searched = np.ones(len(labels), bool)
    searched[own] = not within
    hits = exact_hits(scores[searched], scores[searched & (labels == labels[own])])
    return float(reciprocal_ranks(Hits(*(counts[None] for counts in hits)))[0])


def _check_finite(halves: Sequence[NDArray[np.floating[Any]]]) -> None:
    """Refuse numbers that have no distance."""
    if not all(np.isfinite(half).all() for half in halves):
        raise DataError("latents or generated pairs: NaN or infinite values; expected finite numbers")
