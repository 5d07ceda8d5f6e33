"""Stage ``export``: what the last run made, for other programs: HDF5 (schema A), npz, Parquet. Not part of dvc.yaml."""

from pathlib import Path

from stages.cli import run

FEATURES, EMBEDDINGS = Path("data/features.safetensors"), Path("data/embeddings")


def main(out_dir: Path) -> None:
    """Write features.h5, features.npz, features.parquet and NAME.parquet for every model that has embeddings."""
    from pipeline.dataset.feature_files import export as feature_export
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.settings.params import model_sections

    table = FeatureTable.load(FEATURES)
    out_dir.mkdir(parents=True, exist_ok=True)
    feature_export.write_schema_a(table, out_dir / "features.h5")
    feature_export.write_npz(table, out_dir / "features.npz")
    feature_export.write_parquet(table, out_dir / "features.parquet")
    embedded = [name for name in model_sections() if (EMBEDDINGS / f"{name}.npz").exists()]
    for name in embedded:
        feature_export.write_embeddings_parquet(EMBEDDINGS / f"{name}.npz", out_dir / f"{name}.parquet")
    print(f"export: {len(table.clip_ids)} clips, embeddings of {', '.join(embedded) or 'no model'}: {out_dir}")


if __name__ == "__main__":
    run(main)
