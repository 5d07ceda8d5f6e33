"""The feature table of a run: who is left of its clips, and their features of both modalities."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.features.clip_vectors import (
    FeaturesParams,
    check_audio_scaling,
    check_modalities,
    mean_over_time,
    modality_features,
)
from pipeline.features.pca import Pca, fit_pca
from pipeline.formats import rejects
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import NO_LABEL, FeatureTable
from pipeline.formats.provenance import read_provenance
from pipeline.formats.shards import read_shards
from pipeline.network_parts.base import network_lines
from pipeline.settings.limits import clip_limits
from pipeline.settings.params import load_params
from pipeline.settings.paths import AnyPath


def clips_left(clips: Sequence[Clip], folders: Iterable[AnyPath], rejected: AnyPath) -> list[Clip]:
    """Return the clips that no stage refused, after writing down those that one did.

    Args:
        clips: all clips that the stage ``dataset`` kept.
        folders: of the stages that refuse clips, each with its rejected.csv.
        rejected: where the rows of all of them are written.

    Raises:
        DataError: more clips are refused than ``dataset.max_rejected_fraction``.
    """
    refused = [row for folder in folders for row in rejects.read(Path(folder) / rejects.FILE)]
    refused_ids = {row.clip_id for row in refused}
    n_clips = len({clip.clip_id for clip in clips} | refused_ids)
    rejects.write(rejected, refused)
    rejects.check_fraction(rejected, refused, n_clips, clip_limits().max_rejected_fraction)
    return [clip for clip in clips if clip.clip_id not in refused_ids]


def table_of_networks(clips: Sequence[Clip], audio: AnyPath, visual: AnyPath) -> tuple[FeatureTable, Pca]:
    """Return the table of what the networks made of the clips, and the PCA of its visual side.

    Args:
        clips: those that are left.
        audio: what the stage ``network`` wrote of the network that ``features.audio`` names.
        visual: what it wrote of the one that ``features.visual`` names.

    Raises:
        DataError: a clip has no vectors, or the train split is too small for a PCA.
        ParamsError: section ``features`` does not fit the networks.
    """
    params = load_params("features", FeaturesParams)
    check_modalities(params, network_lines())
    networks = {params.audio: read_provenance(audio), params.visual: read_provenance(visual)}
    check_audio_scaling(params, networks[params.audio].get("postprocess"))
    clip_ids, classes = [clip.clip_id for clip in clips], sorted({clip.label for clip in clips} - {""})
    audio_means, visual_means = _means(Path(audio), clip_ids), _means(Path(visual), clip_ids)
    train = np.array([clip.split == "train" for clip in clips])
    fitted = fit_pca(visual_means[train], params.visual_components)
    table = FeatureTable(
        clip_ids=clip_ids,
        splits=[clip.split for clip in clips],
        labels=np.array([classes.index(clip.label) if clip.label else NO_LABEL for clip in clips]),
        classes=classes,
        audio=modality_features("audio", audio_means, params, fitted),
        visual=modality_features("visual", visual_means, params, fitted),
        provenance={**networks, "features": params.choices},
    )
    return table, fitted


def _means(folder: Path, clip_ids: Sequence[str]) -> NDArray[np.float32]:
    """The mean over time of each clip's vectors in a folder of shards, (n, width)."""
    return mean_over_time(((clip_id, arrays["embeddings"]) for clip_id, arrays in read_shards(folder)), clip_ids)
