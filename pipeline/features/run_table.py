"""The feature table of a run: who is left of its clips, and the features of both sides, or of the one they have."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RejectKind
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
from pipeline.formats.one_sided import OneSide, OneSided
from pipeline.formats.provenance import read_provenance
from pipeline.formats.rejects import Reject
from pipeline.network_parts.base import Modality, network_lines
from pipeline.settings.limits import clip_limits, keeps_one_sided
from pipeline.settings.params import load_params
from pipeline.settings.paths import AnyPath

LACKING: dict[Modality, RejectKind] = {"audio": "no_video", "visual": "no_audio"}  # what one side alone is refused as


class ClipsLeft(NamedTuple):
    """The clips that can be used.

    Attributes:
        both: with sound and pictures.
        one_sided: with one of them alone, by the one that they have; none unless ``dataset.one_sided`` is ``keep``.
    """

    both: list[Clip]
    one_sided: dict[Modality, list[Clip]]


def clips_left(
    clips: Sequence[Clip], folders: Iterable[AnyPath], vectors: Mapping[Modality, AnyPath], rejected: AnyPath
) -> ClipsLeft:
    """Return the clips that can be used, after writing down those that a stage refused, and windows without vectors.

    Args:
        clips: all clips that the stage ``dataset`` kept; where a file is refused, all its windows are.
        folders: of the stages that refuse clips, each with its rejected.csv.
        vectors: what the stage ``network`` wrote, by modality.
        rejected: where the rows of all of them are written, but those of clips that are kept for one side.

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
    has = _one_sided(refused, vectors) if keeps_one_sided() else {}
    refused = [row for row in refused if row.clip_id not in has]
    refused_ids = {row.clip_id for row in refused}
    usable = [clip for clip in clips if clip.clip_id not in refused_ids]
    refused += empty_windows([clip for clip in usable if clip.clip_id not in has], vectors)
    for modality, folder in vectors.items():
        refused += empty_windows([clip for clip in usable if has.get(clip.clip_id) == modality], {modality: folder})
    refused_ids |= {row.clip_id for row in refused}
    n_clips = len({clip.clip_id for clip in clips} | refused_ids)
    rejects.write(rejected, refused)
    rejects.check_fraction(rejected, refused, n_clips, clip_limits().max_rejected_fraction)
    usable = [clip for clip in usable if clip.clip_id not in refused_ids]
    one_sided = {name: [clip for clip in usable if has.get(clip.clip_id) == name] for name in vectors}
    return ClipsLeft([clip for clip in usable if clip.clip_id not in has], one_sided)


def _one_sided(refused: Sequence[Reject], modalities: Iterable[Modality]) -> dict[str, Modality]:
    """The modality of each clip that was refused only because its file has no track of the other one."""
    kinds = defaultdict[str, list[str]](list)
    for row in refused:
        kinds[row.clip_id].append(row.kind)
    return {
        clip_id: modality
        for clip_id, of_clip in kinds.items()
        for modality in modalities
        if of_clip == [LACKING[modality]]
    }


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


def one_sided_of_networks(left: ClipsLeft, folders: Mapping[Modality, AnyPath], fitted: Pca) -> OneSided:
    """Return the test clips of one side with what their network made of them; those of other splits are left out.

    Args:
        left: the clips that can be used.
        folders: what the stage ``network`` wrote, by modality.
        fitted: the PCA of the visual side.

    Raises:
        DataError: a clip has no vectors.
    """
    params, sides = load_params("features", FeaturesParams), dict[str, OneSide]()
    for modality, folder in folders.items():
        clips = [clip for clip in left.one_sided[modality] if clip.split == "test"]
        sides[modality] = (
            OneSide(
                clip_ids=[clip.clip_id for clip in clips],
                labels=[clip.label for clip in clips],
                features=modality_features(modality, _means(modality, folder, clips), params, fitted),
            )
            if clips
            else OneSide.empty()
        )
    return OneSided(**sides)


def _means(modality: Modality, folder: AnyPath, clips: Sequence[Clip]) -> NDArray[np.float32]:
    """The mean over time of each clip's vectors in a folder of shards, (n, width)."""
    vectors = read_clip_vectors(folder, modality, clips)
    return mean_over_time(
        ((clip.clip_id, arrays["embeddings"]) for clip, arrays in vectors), [clip.clip_id for clip in clips]
    )
