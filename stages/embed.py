"""Stage ``embed``: both modalities of every clip in a model's joint space, each from its own features alone."""

from pathlib import Path

from stages.cli import run


def main(features: Path, name: str, models: Path, out: Path) -> None:
    """Write an npz with audio and visual (n_seeds, n, k) float32, seeds rising, clip_ids, splits and labels (n,)."""
    from pipeline.formats.embeddings import write_arrays
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.seeds import embed_table, load_seeds
    from pipeline.settings.progress import track

    table = FeatureTable.load(features)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(out, embed_table(track(load_seeds(name, models), "embed", "seed"), table))


if __name__ == "__main__":
    run(main)
