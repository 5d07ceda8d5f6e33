"""Whether a face and a voice are told to be of one person: every test face with every test voice of another clip."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from pipeline.formats.clips import Clip
from pipeline.formats.shards import read_shards
from pipeline.separation.measures.intervals import COVERAGE, people_weights
from pipeline.separation.measures.scores import EvaluateSeparationParams
from pipeline.separation.mixtures import source_of
from pipeline.separation.separating import EMBEDDINGS
from pipeline.settings.paths import AnyPath

CHANCE = 0.5


class FaceVoicePairs(NamedTuple):
    """Faces and voices of different clips.

    Attributes:
        scores: (n_seeds, n_pairs) cosines.
        same: (n_pairs,) whether both are of one person.
        people: of each pair, that of the face first.
    """

    scores: NDArray[np.float64]
    same: NDArray[np.bool_]
    people: Sequence[tuple[str, str]]


def matching_of(folder: AnyPath, clips: Mapping[str, Clip], params: EvaluateSeparationParams) -> dict[str, Any] | None:
    """Return how well faces and voices match, for metrics.json; None where a separator embeds neither.

    Args:
        folder: that the stage `separate` wrote.
        clips: by name.
        params: section ``evaluate``.
    """
    embeddings = dict(read_shards(Path(folder) / EMBEDDINGS))
    pairs = pairs_of(embeddings, clips) if embeddings else None
    if pairs is None or pairs.same.all() or not pairs.same.any():
        return None
    measured = {
        "auc": float(np.mean([roc_auc_score(pairs.same, scores) for scores in pairs.scores])),
        "eer": float(np.mean([equal_error_rate(pairs.same, scores) for scores in pairs.scores])),
        "n_pairs": len(pairs.same),
        "chance": CHANCE,
    }
    return measured | {"margin": _margin(pairs, params)}


def pairs_of(embeddings: Mapping[str, Mapping[str, NDArray[np.float32]]], clips: Mapping[str, Clip]) -> FaceVoicePairs:
    """Return the pairs of all faces with the voices of other clips.

    Args:
        embeddings: by clip its ``face`` and ``voice``, (n_seeds, width) each.
        clips: by name.
    """
    names = sorted(embeddings)
    people = [source_of(clips[name]) for name in names]
    faces, voices = (_unit(np.stack([embeddings[name][kind] for name in names], axis=1)) for kind in ("face", "voice"))
    cosines = faces @ voices.transpose(0, 2, 1)  # (n_seeds, n_clips, n_clips)
    other = ~np.eye(len(names), dtype=bool)
    pairs = [(people[i], people[j]) for i, j in zip(*np.nonzero(other), strict=True)]
    return FaceVoicePairs(cosines[:, other], np.array([face == voice for face, voice in pairs]), pairs)


def equal_error_rate(same: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Return the share of errors at the threshold where as many are falsely accepted as falsely refused.

    Args:
        same: (n_pairs,).
        scores: (n_pairs,), higher for one person.

    Example:
        >>> equal_error_rate(np.array([False, True, False, True]), np.array([0.1, 0.2, 0.3, 0.4]))
        0.5
    """
    accepted, found, _ = roc_curve(same, scores)
    place = int(np.argmin(np.abs(accepted - (1 - found))))
    return float((accepted[place] + 1 - found[place]) / 2)


def _margin(pairs: FaceVoicePairs, params: EvaluateSeparationParams) -> float:
    """Half the width of the AUC's 95 % interval over people, of its mean over seeds."""
    n_draws = min(params.bootstrap_draws, 500)
    people = [
        tuple(dict.fromkeys(pair)) for pair in pairs.people
    ]  # a pair of one person counts as often as it is drawn
    drawn = people_weights(people, n_draws, params.seed)
    values = [
        np.mean([roc_auc_score(pairs.same, scores, sample_weight=weights) for scores in pairs.scores])
        for weights in drawn
        if weights[pairs.same].any() and weights[~pairs.same].any()
    ]
    low, high = np.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float((high - low) / 2)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Vectors (..., width) of length 1."""
    exact = vectors.astype(np.float64)
    return np.asarray(exact / np.maximum(np.linalg.norm(exact, axis=-1, keepdims=True), 1e-12))
