"""Stage ``train``: one model, once for each of its seeds, fitted on train and stopped early on validation."""

from pathlib import Path

from stages.cli import run


def main(features: Path, name: str, section: str, out: Path) -> None:
    """Write one file a seed, history.csv with a row an epoch, and provenance.json with the kind of device."""
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.base import model_module
    from pipeline.model_parts.seeds import fit_seeds
    from pipeline.settings.params import load_params

    params = load_params(section, model_module(name).Params)
    fit_seeds(name, params, FeatureTable.load(features), out)


if __name__ == "__main__":
    run(main)
