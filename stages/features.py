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
    audio: Path,
    visual: Path,
    out: Path,
) -> None:
    """Write the feature table, and beside it the PCA, the clips of one side, and rejected.csv of all stages."""
    from pipeline.features.pca import NO_PCA, save_pca
    from pipeline.features.run_table import clips_left, one_sided_of_networks, table_of_networks
    from pipeline.formats import rejects
    from pipeline.formats.clips import read_clips
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.formats.one_sided import NO_CLIPS
    from pipeline.network_parts.base import Modality

    networks = [folder for folder in (audio, visual) if (folder / rejects.FILE).exists()]
    refusing = [dataset, logmel, frames, *networks]
    vectors: dict[Modality, Path] = {"audio": audio, "visual": visual}
    left = clips_left(read_clips(clips_csv), refusing, vectors, out.with_name(rejects.FILE))
    table, fitted, one_sided = FeatureTable.load(imported), NO_PCA, NO_CLIPS
    if not table.clip_ids:
        table, fitted = table_of_networks(left.both, audio, visual)
        one_sided = one_sided_of_networks(left, vectors, fitted)
    table.save(out)
    save_pca(fitted, out.with_name("pca.safetensors"))
    one_sided.save(out.with_name("one_sided.safetensors"))


if __name__ == "__main__":
    run(main)
