"""Stage ``train``: one model, fitted once for each of its seeds, and what its fits make of every clip."""

from pathlib import Path

from stages.cli import run


def main(features: Path, name: str, section: str, models: Path, embeddings: Path) -> None:
    """Write the fits into the folder ``models``, and ``embeddings``, an npz of every clip in their joint spaces.

    One process does both: it takes longer to load the libraries again than to embed. The embeddings are those of the
    files that it wrote, each modality's from its own features alone.
    """
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.base import model_module
    from pipeline.model_parts.seeds import embed_seeds, fit_seeds
    from pipeline.settings.params import load_params

    table, params = FeatureTable.load(features), load_params(section, model_module(name).Params)
    if fit_seeds(name, params, table, models):
        embed_seeds(name, models, table, embeddings)


if __name__ == "__main__":
    run(main)
