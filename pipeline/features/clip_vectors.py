"""Clip vectors: what the networks made of a clip, averaged over time, in one table that every model starts from."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt

from pipeline.errors import DataError, ParamsError
from pipeline.settings.params import StageParams

if TYPE_CHECKING:
    from pipeline.features.pca import Pca
    from pipeline.formats.clips import Clip
    from pipeline.formats.feature_table import FeatureTable
AudioScaling = Literal["none", "vegas"]


class FeaturesParams(StageParams):
    """Section ``features`` of params.yaml."""

    audio_scaling: AudioScaling
    visual_components: PositiveInt
    whiten: bool
    epsilon: NonNegativeFloat


def mean_over_time(clips: Iterable[tuple[str, NDArray[Any]]], clip_ids: Sequence[str]) -> NDArray[np.float32]:
    """Return the mean of each clip's vectors, clips in the order asked for.

    Args:
        clips: pairs of an id and vectors (n_times, width), in any order; read once, and no clip's vectors are kept.
        clip_ids: n of the ids; other clips are passed over.

    Returns:
        (n, width) float32, averaged in float64.

    Raises:
        DataError: no clip was asked for, or one that was does not come.

    References:
        Abu-El-Haija et al. (2016), YouTube-8M: A Large-Scale Video Classification Benchmark, whose video level features
        are the mean of the frames.
    """
    if not clip_ids:
        raise DataError("no clip is left; expected at least one to average over time")
    wanted = set(clip_ids)
    means = {i: vectors.mean(axis=0, dtype=np.float64).astype(np.float32) for i, vectors in clips if i in wanted}
    if missing := sorted(wanted - means.keys()):
        raise DataError(f"clip {missing[0]!r}: no vectors ({len(missing)} such clips); expected those of every clip")
    return np.stack([means[clip_id] for clip_id in clip_ids])


def check_audio_scaling(scaling: object, postprocess: object) -> None:
    """Refuse a scaling that fits other audio features than those at hand.

    Args:
        scaling: ``features.audio_scaling``.
        postprocess: what the provenance of the audio features says of ``vggish.postprocess``.

    Raises:
        ParamsError: ``vegas`` on features that are no 8-bit numbers.
    """
    if scaling == "vegas" and postprocess != "pca_uint8":
        raise ParamsError(
            f"features.audio_scaling: 'vegas' with vggish.postprocess={postprocess!r}; "
            "expected pca_uint8, whose 8-bit numbers it brings near zero: -S vggish.postprocess=pca_uint8"
        )


def scale_audio(audio: NDArray[np.float32], scaling: AudioScaling) -> NDArray[np.float32]:
    """Return audio features on the scale that models see.

    Args:
        audio: (n, width); in [0, 255] where the scaling is ``vegas``.
        scaling: ``none`` changes nothing; ``vegas`` is (x - 128) / 256, as in the published VEGAS features.

    Returns:
        (n, width) float32, for ``vegas`` in [-0.5, 0.5).
    """
    return (audio - np.float32(128)) / np.float32(256) if scaling == "vegas" else audio


def from_networks(clips: "Sequence[Clip]", vggish: Path, inception: Path) -> "tuple[FeatureTable, Pca]":
    """Return the table of what the networks made of the clips, and the PCA of its visual side."""
    import numpy as np

    from pipeline.features import pca
    from pipeline.features.clip_vectors import FeaturesParams, check_audio_scaling, mean_over_time, scale_audio
    from pipeline.formats import provenance
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.formats.shards import read_shards
    from pipeline.settings.params import load_params

    params = load_params("features", FeaturesParams)
    networks = {"vggish": provenance.read_provenance(vggish), "inception": provenance.read_provenance(inception)}
    check_audio_scaling(params.audio_scaling, networks["vggish"].get("postprocess"))
    clip_ids, classes = [clip.clip_id for clip in clips], sorted({clip.label for clip in clips})
    audio, visual = (
        mean_over_time(((clip_id, arrays["embeddings"]) for clip_id, arrays in read_shards(folder)), clip_ids)
        for folder in (vggish, inception)
    )
    train = np.array([clip.split == "train" for clip in clips])
    fitted = pca.fit_pca(visual[train], params.visual_components)
    table = FeatureTable(
        clip_ids=clip_ids,
        splits=[clip.split for clip in clips],
        labels=np.array([classes.index(clip.label) for clip in clips]),
        classes=classes,
        audio=scale_audio(audio, params.audio_scaling),
        visual=pca.transform(fitted, visual, params.whiten, params.epsilon),
        provenance={**networks, "features": params.model_dump()},
    )
    return table, fitted
