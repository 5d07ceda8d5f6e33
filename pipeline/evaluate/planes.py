"""Both modalities of a model's common space in two dimensions, to look at."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.evaluate.model_metrics import Table
from pipeline.formats.embeddings import Embeddings
from pipeline.retrieval.cosines import Array, unit_rows


class ModelPlane(NamedTuple):
    """The test clips seen from where they lie furthest apart.

    Attributes:
        audio: (n, 2) places of their sounds.
        visual: (n, 2) places of their videos.
        fractions: (2,) of the variance of all, along each axis.
    """

    audio: Array
    visual: Array
    fractions: Array


def plane(embeddings: Embeddings) -> ModelPlane:
    """Return the test clips of the model's first seed in the plane of their first two principal components.

    One PCA is fitted on the sounds and the videos together, scaled to length 1, as cosines see them. A space of one
    dimension has zeros for the second axis, and one in which all is equal for both.

    Args:
        embeddings: of one model.

    References:
        Jolliffe (2002), Principal Component Analysis. As with scikit-learn, the largest weight of an axis is positive.
    """
    rows = unit_rows(np.concatenate([embeddings.audio[0], embeddings.visual[0]]))  # (2 n, k)
    n_axes = min(2, *rows.shape) if np.ptp(rows, axis=0).any() else 0
    places, fractions = np.zeros((len(rows), 2)), np.zeros(2)
    if n_axes:
        centred = rows - rows.mean(axis=0)
        variances, axes = np.linalg.eigh(centred.T @ centred)  # rising; (k, k), an axis a column
        variances = np.maximum(variances, 0)  # where there is none, rounding may leave less
        axes = axes[:, : -n_axes - 1 : -1]
        largest = np.abs(axes).argmax(axis=0)
        places[:, :n_axes] = centred @ (axes * np.sign(axes[largest, np.arange(n_axes)]))
        fractions[:n_axes] = variances[: -n_axes - 1 : -1] / variances.sum()
    audio, visual = np.split(places.round(6) + 0.0, 2)
    return ModelPlane(audio, visual, fractions)


def plane_rows(clip_ids: Sequence[str], embeddings: Embeddings, seen: ModelPlane) -> Table:
    """Return a row a test clip: its class, and the places of its sound and its video.

    Args:
        clip_ids: of the test clips, in the order of their embeddings.
        embeddings: of one model.
        seen: what ``plane`` returned of it.
    """
    names = [embeddings.classes[label] for label in embeddings.labels.tolist()]
    columns = zip(clip_ids, names, seen.audio.tolist(), seen.visual.tolist(), strict=True)
    return [
        {
            "clip_id": clip_id,
            "class": name,
            **dict(zip(("audio_x", "audio_y"), audio, strict=True)),
            **dict(zip(("visual_x", "visual_y"), visual, strict=True)),
        }
        for clip_id, name, audio, visual in columns
    ]
