"""Stage ``features``: every clip's mean over time, the visual one through a PCA that is fitted on the train split.

Features that were imported pass through as they are.
"""

from pathlib import Path

from stages.cli import run


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
    from pipeline.features import pca
    from pipeline.features.clip_vectors import from_networks
    from pipeline.formats import rejects
    from pipeline.formats.clips import read_clips
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.settings.limits import clip_limits

    refused = [row for folder in (dataset, logmel, frames) for row in rejects.read(folder / rejects.FILE)]
    refused_ids = {row.clip_id for row in refused}
    clips = read_clips(clips_csv)
    n_clips = len({clip.clip_id for clip in clips} | refused_ids)
    rejected = out.with_name(rejects.FILE)
    rejects.write(rejected, refused)
    rejects.check_fraction(rejected, refused, n_clips, clip_limits().max_rejected_fraction)

    table, fitted = FeatureTable.load(imported), pca.NO_PCA
    if not table.clip_ids:
        table, fitted = from_networks([clip for clip in clips if clip.clip_id not in refused_ids], vggish, inception)
    table.save(out)
    pca.save_pca(fitted, out.with_name("pca.safetensors"))


if __name__ == "__main__":
    run(main)
