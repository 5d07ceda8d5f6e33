"""Stage ``features``: every clip's mean over time, the visual one through a PCA that is fitted on the train split."""

from pathlib import Path

from stages.cli import run


def main(clips_csv: Path, logmel: Path, frames: Path, vggish: Path, inception: Path, out: Path) -> None:
    """Write the feature table, and beside it the PCA and rejected.csv with the clips of all stages."""
    import numpy as np

    from pipeline import pca, rejects, weights
    from pipeline.clips import read_clips
    from pipeline.datasets.base import DatasetParams
    from pipeline.features import FeaturesParams, FeatureTable, check_audio_scaling, mean_over_time, scale_audio
    from pipeline.params import load_params
    from pipeline.shards import read_shards

    params = load_params("features", FeaturesParams)
    dataset = load_params("dataset", DatasetParams)
    networks = {"vggish": weights.read_provenance(vggish), "inception": weights.read_provenance(inception)}
    check_audio_scaling(params.audio_scaling, networks["vggish"].get("postprocess"))
    all_clips = read_clips(clips_csv)
    refused = [row for folder in (logmel, frames) for row in rejects.read(folder / rejects.FILE)]
    rejects.check_fraction("features", refused, len(all_clips), dataset.max_rejected_fraction)
    clips = [clip for clip in all_clips if clip.clip_id not in {row.clip_id for row in refused}]
    clip_ids = [clip.clip_id for clip in clips]
    classes = sorted({clip.label for clip in clips})

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
        provenance={**networks, "features": {"audio_scaling": params.audio_scaling}},
    )
    table.save(out)
    pca.save_pca(fitted, out.with_name("pca.safetensors"))
    rejects.write(out.with_name(rejects.FILE), refused)


if __name__ == "__main__":
    run(main)
