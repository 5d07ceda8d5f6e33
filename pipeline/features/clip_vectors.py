"""Clip vectors: what the networks made of a clip, averaged over time, on the scale that every model starts from."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt, model_validator

from pipeline.errors import DataError, ParamsError
from pipeline.features.pca import Pca, transform
from pipeline.network_parts.base import Modality, NetworkLine
from pipeline.settings.params import StageParams

AudioScaling = Literal["none", "vegas"]


class FeaturesParams(StageParams):
    """Section ``features`` of params.yaml.

    Attributes:
        audio: the network whose vectors are the audio features.
        visual: the network whose vectors are the visual features.
        audio_scaling: see `scale_audio`.
        visual_components: how many principal components the visual features keep at most; None: they go through no PCA.
        whiten: whether each component is divided by its deviation.
        epsilon: added to the eigenvalues before whitening.
    """

    audio: str
    visual: str
    audio_scaling: AudioScaling
    visual_components: PositiveInt | None
    whiten: bool
    epsilon: NonNegativeFloat

    @model_validator(mode="after")
    def _without_pca_nothing_is_whitened(self) -> Self:
        if self.visual_components is None and self.whiten:
            raise ValueError("visual_components=null, whiten=true; expected whiten=false where there is no PCA")
        return self

    @property
    def choices(self) -> dict[str, Any]:
        """What shapes the features, whatever the networks are called."""
        return self.model_dump(exclude={"audio", "visual"})


def check_modalities(params: FeaturesParams, lines: dict[str, NetworkLine]) -> None:
    """Refuse a network that is not there, or whose vectors are of the other modality.

    Args:
        params: section ``features``.
        lines: ``networks`` of params.yaml.

    Raises:
        ParamsError: a modality has no such network; the message lists those it has.
    """
    modalities: tuple[Modality, ...] = ("audio", "visual")
    for modality in modalities:
        known = [name for name, line in lines.items() if line.modality == modality]
        if (name := getattr(params, modality)) not in known:
            expected = f"one of {', '.join(known)}" if known else f"a line of `networks` with modality {modality}"
            raise ParamsError(f"features.{modality}: {name!r} is no {modality} network; expected {expected}")


def mean_over_time(clips: Iterable[tuple[str, NDArray[Any]]], clip_ids: Sequence[str]) -> NDArray[np.float32]:
    """Return the mean of each clip's vectors, clips in the order asked for.

    Args:
        clips: pairs of an id and vectors (n_times, width), in any order; read once, and no clip's vectors are kept.
        clip_ids: n of the ids; other clips are passed over.

    Returns:
        (n, width) float32, averaged in float64.

    Raises:
        DataError: no clip was asked for, or one that was does not come.

    Example:
        >>> mean_over_time([("a", np.array([[1, 2], [3, 6]]))], ["a"]).tolist()
        [[2.0, 4.0]]

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


def check_audio_scaling(params: FeaturesParams, postprocess: object) -> None:
    """Refuse a scaling that fits other audio features than those at hand.

    Args:
        params: section ``features``.
        postprocess: what the section or the provenance of the audio network says of its ``postprocess``; None where
            it has none.

    Raises:
        ParamsError: ``vegas`` on features that are no 8-bit numbers.
    """
    if params.audio_scaling == "vegas" and postprocess is None:
        raise ParamsError(
            f"features.audio_scaling: 'vegas' is for 8-bit numbers, which network {params.audio!r} of features.audio "
            "never gives; expected none: -S features.audio_scaling=none"
        )
    if params.audio_scaling == "vegas" and postprocess != "pca_uint8":
        raise ParamsError(
            f"features.audio_scaling: 'vegas' with {params.audio}.postprocess={postprocess!r}; "
            f"expected pca_uint8, whose 8-bit numbers it brings near zero: -S {params.audio}.postprocess=pca_uint8"
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


def modality_features(
    modality: Modality, means: NDArray[np.float32], params: FeaturesParams, fitted: Pca
) -> NDArray[np.float32]:
    """Return the features that models see of one modality.

    Args:
        modality: ``audio``, whose means are scaled, or ``visual``, whose means go through the PCA, if there is one.
        means: (n, width), what `mean_over_time` returned.
        params: section ``features``.
        fitted: the PCA of a run.

    Returns:
        (n, width) float32 of audio, (n, k) of visual, where k is what the PCA keeps; without one the width.

    Raises:
        DataError: the visual means have another width than those the PCA was fitted on.
    """
    if modality == "audio":
        return scale_audio(means, params.audio_scaling)
    if params.visual_components is None:
        return means
    return transform(fitted, means, params.whiten, params.epsilon)


def clip_features(
    modality: Modality, vectors: NDArray[np.float32], params: FeaturesParams, fitted: Pca
) -> NDArray[np.float32]:
    """Return the one row (1, k) of features that a model sees of a clip, out of its vectors over time.

    The last bits may differ from those of the row in a table, whose rows go through the PCA together.

    Args:
        modality: ``audio`` or ``visual``.
        vectors: (n_times, width), what the modality's network makes of the clip.
        params: section ``features``.
        fitted: the PCA of the run whose models are asked.

    Raises:
        DataError: there are no vectors, or they have another width than those the PCA was fitted on.
    """
    if len(vectors) == 0:
        raise DataError(f"{modality}: no vectors; expected at least one to average over time")
    return modality_features(modality, mean_over_time([("", vectors)], [""]), params, fitted)
