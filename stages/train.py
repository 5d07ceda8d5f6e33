"""Stage ``train``: one model, once for each of its seeds, fitted on train and stopped early on validation."""

import csv
from pathlib import Path

from stages.cli import run


def main(features: Path, name: str, section: str, out: Path) -> None:
    """Write one file a seed, and history.csv with a row an epoch; of torchrun's ranks the first one does."""
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts import distributed
    from pipeline.model_parts.base import Pairs, model_module
    from pipeline.settings.params import load_params

    module = model_module(name)
    params = load_params(section, module.Params)
    table = FeatureTable.load(features)
    train, validation = Pairs(*table.rows("train")), Pairs(*table.rows("validation"))

    history = []
    with distributed.joined():
        for seed in getattr(params, "seeds", [0]):
            model = module.Model(params, seed)
            history += [{"seed": seed, **epoch} for epoch in model.fit(train, validation)]
            if distributed.rank() == 0:
                out.mkdir(parents=True, exist_ok=True)
                model.save(out / f"seed-{seed}.safetensors")
        if distributed.rank() == 0:
            _write_history(out / "history.csv", history)


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    """A row an epoch of each seed; of a closed form the header alone."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]) if history else ["seed"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


if __name__ == "__main__":
    run(main)
