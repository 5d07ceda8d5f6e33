"""Stage ``train``: every model, fitted once for each of its seeds, and what its fits make of every clip."""

from pathlib import Path

from stages.cli import run


def main(features: Path, models: Path, embeddings: Path) -> None:
    """Write a folder of fits and an npz of embeddings for each model; what is finished is kept."""
    from pipeline.model_parts.every_model import train_models

    train_models(features, models, embeddings)


if __name__ == "__main__":
    run(main)
