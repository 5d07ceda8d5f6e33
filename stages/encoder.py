"""Stage ``encoder``: the first model of params.yaml with all in front of it, as one folder to use and to hand on."""

from pathlib import Path

from stages.cli import run


def main(features: Path, pca: Path, models: Path, embeddings: Path, metrics: Path, out: Path) -> None:
    """Write the folder of config.json, model.safetensors and README.md, its model card."""
    from pipeline.encoder.making import RunFiles, write_encoder

    config = write_encoder(RunFiles(features, pca, models, embeddings, metrics), out)
    print(f"encoder: {config.model.name}, {len(config.model.seeds)} fits of width {config.model.width}: {out}")


if __name__ == "__main__":
    run(main)
