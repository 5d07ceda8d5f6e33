"""The feature table of a run: who is left of its clips, and their features of both modalities."""

import sys
from collections.abc import Iterable, Mapping, Sequence
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
from pipeline.features.clip_windows import by_file, empty_windows, long_files, read_clip_vectors
from pipeline.features.pca import NO_PCA, Pca, fit_pca
from pipeline.formats import rejects
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import NO_LABEL, FeatureTable
from pipeline.formats.provenance import read_provenance
from pipeline.network_parts.base import Modality, network_lines
from pipeline.settings.limits import clip_limits
from pipeline.settings.params import load_params
from pipeline.settings.paths import AnyPath


def clips_left(
    clips: Sequence[Clip], folders: Iterable[AnyPath], vectors: Mapping[Modality, AnyPath], rejected: AnyPath
) -> list[Clip]:
    """Return the clips that can be used, after writing down those that a stage refused, and windows without vectors.

    Args:
        clips: all clips that the stage ``dataset`` kept; where a file is refused, all its windows are.
        folders: of the stages that refuse clips, each with its rejected.csv.
        vectors: what the stage ``network`` wrote, by modality.
        rejected: where the rows of all of them are written.

    Raises:
        DataError: more clips are refused than ``dataset.max_rejected_fraction``.
    """
    files = by_file(clips)
    refused = [
        row._replace(clip_id=name)
        for folder in folders
        for row in rejects.read(Path(folder) / rejects.FILE)
        for name in ([clip.clip_id for clip in files.get(row.clip_id, [])] or [row.clip_id])
    ]
    refused_ids = {row.clip_id for row in refused}
    refused += empty_windows([clip for clip in clips if clip.clip_id not in refused_ids], vectors)
    refused_ids |= {row.clip_id for row in refused}
    n_clips = len({clip.clip_id for clip in clips} | refused_ids)
    rejects.write(rejected, refused)
    rejects.check_fraction(rejected, refused, n_clips, clip_limits().max_rejected_fraction)
    return [clip for clip in clips if clip.clip_id not in refused_ids]


def table_of_networks(clips: Sequence[Clip], audio: AnyPath, visual: AnyPath) -> tuple[FeatureTable, Pca]:
    """Return the table of what the networks made of the clips, and the PCA of its visual side, ``NO_PCA`` without one.

    A line on stderr names files that are too long for one vector.

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
    if notice := long_files(clips, visual):
        print(f"features: {notice}", file=sys.stderr)
    clip_ids, classes = [clip.clip_id for clip in clips], sorted({clip.label for clip in clips} - {""})
    audio_means, visual_means = _means("audio", audio, clips), _means("visual", visual, clips)
    train = np.array([clip.split == "train" for clip in clips])
    n_components = params.visual_components
    fitted = NO_PCA if n_components is None else fit_pca(visual_means[train], n_components)
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


def _means(modality: Modality, folder: AnyPath, clips: Sequence[Clip]) -> NDArray[np.float32]:
    """The mean over time of each clip's vectors in a folder of shards, (n, width)."""
    vectors = read_clip_vectors(folder, modality, clips)
    return mean_over_time(
        ((clip.clip_id, arrays["embeddings"]) for clip, arrays in vectors), [clip.clip_id for clip in clips]
    )
