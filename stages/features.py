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
    """Write the feature table, and beside it the PCA and rejected.csv with the clips of all stages."""
    from pipeline.features.pca import NO_PCA, save_pca
    from pipeline.features.run_table import clips_left, table_of_networks
    from pipeline.formats import rejects
    from pipeline.formats.clips import read_clips
    from pipeline.formats.feature_table import FeatureTable

    networks = [folder for folder in (audio, visual) if (folder / rejects.FILE).exists()]
    refusing = [dataset, logmel, frames, *networks]
    clips = read_clips(clips_csv)
    clips = clips_left(clips, refusing, {"audio": audio, "visual": visual}, out.with_name(rejects.FILE))
    table, fitted = FeatureTable.load(imported), NO_PCA
    if not table.clip_ids:
        table, fitted = table_of_networks(clips, audio, visual)
    table.save(out)
    save_pca(fitted, out.with_name("pca.safetensors"))


if __name__ == "__main__":
    run(main)
