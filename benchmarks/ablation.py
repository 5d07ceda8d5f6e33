"""What each part of the dual-subspace model is worth: test MAP of the model without it, on finished feature tables.

Every line is the section ``model`` of params.yaml with a preset's changes, trained once for each seed on the train rows
and stopped by the validation rows, as the stage ``train`` does it. Rivals can stand above, as params.yaml has them.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.features import FeatureTable
    from pipeline.params import StageParams

MODEL = "dual_subspace"
PAPER = {
    "inputs": "standardised",
    "correlation": "pairwise",
    "discriminative": "label_distance",
    "fusion": "cca",
}
PRESETS: dict[str, dict[str, Any]] = {
    "as params.yaml has it": {},
    "explicit subspace only": {"explicit_share": 1.0, "lambda_disc": 0.0, "lambda_constraint": 0.0},
    "implicit subspace only": {"explicit_share": 0.0, "lambda_corr": 0.0, "lambda_constraint": 0.0},
    "no constraint loss": {"lambda_constraint": 0.0},
    "no correlation loss": {"lambda_corr": 0.0},
    "no whitening": {"inputs": "standardised"},
    "fused by cluster-CCA": {"fusion": "cluster_cca"},
    "fused by CCA": {"fusion": "cca"},
    "plain concatenation": {"fusion": "none"},
    "the paper's forms": PAPER,
    "the paper's forms, plain concatenation": PAPER | {"fusion": "none"},
}


def main() -> None:
    """Print the table, a column a file."""
    arguments = _arguments()
    from pipeline.features import FeatureTable

    try:
        tables = [FeatureTable.load(path) for path in arguments.features]
        lines = [*(rival(name) for name in arguments.rivals), *variants()]
        print("| variant |" + "".join(f" {path.stem} |" for path in arguments.features))
        print("|---|" + "---|" * len(tables))
        for label, name, params in lines:
            cells = [_cell(test_maps(table, name, params)) for table in tables]
            print(f"| {label} | {' | '.join(cells)} |", flush=True)
    except PipelineError as error:
        sys.exit(f"ablation: {type(error).__name__}: {error}")


def variants() -> "Iterator[tuple[str, str, StageParams]]":
    """Yield label, model and params of each preset."""
    from pipeline.models.base import model_module
    from pipeline.params import load_params

    params_class = model_module(MODEL).Params
    values = load_params("model", params_class).model_dump()
    for label, changes in PRESETS.items():
        yield label, MODEL, params_class.model_validate(values | changes)


def rival(name: str) -> "tuple[str, str, StageParams]":
    """Return label, model and params of another model.

    Raises:
        ParamsError: there is no such model, or params.yaml does not have it.
    """
    from pipeline.models.base import model_module
    from pipeline.params import load_params

    return f"`{name}`", name, load_params(f"baselines.{name}", model_module(name).Params)


def test_maps(table: "FeatureTable", name: str, params: "StageParams") -> list[float]:
    """Return the test MAP of each seed, the average of both directions.

    Args:
        table: with rows of all three splits.
        name: of the model.
        params: the model's own; one without ``seeds`` is fitted once.
    """
    from pipeline.models.base import Pairs, model_module
    from pipeline.models.base_deep import average_map

    train, validation, test = (Pairs(*table.rows(split)) for split in ("train", "validation", "test"))
    maps = []
    for seed in getattr(params, "seeds", [0]):
        model = model_module(name).Model(params, seed)
        model.fit(train, validation)
        maps.append(average_map(model.embed_audio(test.audio), model.embed_visual(test.visual), test.labels))
    return maps


def _cell(maps: list[float]) -> str:
    """Mean over the seeds and the standard deviation."""
    import numpy as np

    return f"{np.mean(maps):.3f} ± {np.std(maps):.3f}"


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__)
    parser.add_argument("features", type=Path, nargs="+", help="data/features.safetensors of finished runs")
    parser.add_argument("--rivals", nargs="*", default=[], metavar="MODEL", help="models of params.yaml's baselines")
    return parser.parse_args()


if __name__ == "__main__":
    main()
