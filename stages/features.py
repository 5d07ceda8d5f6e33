"""Stage ``features``: every clip's mean over time, the visual one through a PCA that is fitted on the train split.

Features that were imported pass through as they are.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stages.cli import run

if TYPE_CHECKING:
    from pipeline.clips import Clip
    from pipeline.features import FeatureTable
    from pipeline.pca import Pca


def main(
    clips_csv: Path,
    imported: Path,
    dataset: Path,
    logmel: Path,
    frames: Path,
    vggish: Path,
    inception: Path,
    out: Path,
) -> None:
    """Write the feature table, and beside it the PCA and rejected.csv with the clips of all stages."""
    from pipeline import pca, rejects
    from pipeline.clips import read_clips
    from pipeline.datasets.base import DatasetParams
    from pipeline.features import FeatureTable
    from pipeline.params import load_params

    refused = [row for folder in (dataset, logmel, frames) for row in rejects.read(folder / rejects.FILE)]
    refused_ids = {row.clip_id for row in refused}
    clips = read_clips(clips_csv)
    n_clips = len({clip.clip_id for clip in clips} | refused_ids)
    rejected = out.with_name(rejects.FILE)
    rejects.write(rejected, refused)
    rejects.check_fraction(rejected, refused, n_clips, load_params("dataset", DatasetParams).max_rejected_fraction)

    table, fitted = FeatureTable.load(imported), pca.NO_PCA
    if not table.clip_ids:
        table, fitted = from_networks([clip for clip in clips if clip.clip_id not in refused_ids], vggish, inception)
    table.save(out)
    pca.save_pca(fitted, out.with_name("pca.safetensors"))


def from_networks(clips: "Sequence[Clip]", vggish: Path, inception: Path) -> "tuple[FeatureTable, Pca]":
    """Return the table of what the networks made of the clips, and the PCA of its visual side."""
    import numpy as np

    from pipeline import pca, weights
    from pipeline.features import FeaturesParams, FeatureTable, check_audio_scaling, mean_over_time, scale_audio
    from pipeline.params import load_params
    from pipeline.shards import read_shards

    params = load_params("features", FeaturesParams)
    networks = {"vggish": weights.read_provenance(vggish), "inception": weights.read_provenance(inception)}
    check_audio_scaling(params.audio_scaling, networks["vggish"].get("postprocess"))
    clip_ids, classes = [clip.clip_id for clip in clips], sorted({clip.label for clip in clips})
    audio, visual = (
        mean_over_time(((clip_id, arrays["embeddings"]) for clip_id, arrays in read_shards(folder)), clip_ids)
        for folder in (vggish, inception)
    )
    train = np.array([clip.split == "train" for clip in clips])
    fitted = pca.fit_pca([visual[train]], params.visual_components)
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


if __name__ == "__main__":
    run(main)
