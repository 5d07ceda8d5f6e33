"""Stage ``train``: one model, once for each of its seeds, fitted on train and stopped early on validation."""

import csv
from pathlib import Path

from stages.cli import run


def main(features: Path, name: str, section: str, out: Path) -> None:
    """Write one file a seed, and history.csv with a row an epoch."""
    from pipeline.features import FeatureTable
    from pipeline.models.base import Pairs, model_module
    from pipeline.params import load_params

    module = model_module(name)
    params = load_params(section, module.Params)
    table = FeatureTable.load(features)
    train, validation = Pairs(*table.rows("train")), Pairs(*table.rows("validation"))

    out.mkdir(parents=True, exist_ok=True)
    history = []
    for seed in getattr(params, "seeds", [0]):
        model = module.Model(params, seed)
        history += [{"seed": seed, **epoch} for epoch in model.fit(train, validation)]
        model.save(out / f"seed-{seed}.safetensors")
    with (out / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]) if history else ["seed"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


if __name__ == "__main__":
    run(main)
