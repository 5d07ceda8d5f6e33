"""A rival as its authors' public code has it, in place of params.yaml: a row of test MAPs, or a DVC experiment.

With ``--features`` the model is fitted in this process on the train rows of a file, and one Markdown row has the MAP of
its test rows, which choose nothing. Without it a DVC experiment, kept as ``authors-NAME``, runs in a copy of the
project, so that params.yaml stays as it is; only ``dscmr``, whose losses are the pipeline's, can be had so.
docs/models.md says what still differs from the code.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ParamsError, PipelineError
from pipeline.settings.params import load_params, model_sections
from studies.ablation import experiment, options, run_again

if TYPE_CHECKING:
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.deep import DeepModel

SETTINGS: dict[str, dict[str, Any]] = {
    "dscmr": {
        "n_hidden_layers": 0,
        "private_width": 2048,
        "common_width": 1024,
        "classifier_bias": True,
        "lambda_likelihood": 1e-3,
        "lambda_invariance": 0.1,
        "learning_rate": 1e-4,
        "adam_beta1": 0.5,
        "weight_decay": 0.0,
        "clip_norm": 1e9,
        "batch_size": 100,
        "epochs": 500,
        "patience": 500,
    },
}
"""By model. Training never stops early, and the best epoch is kept: by validation, where the authors look at test."""
_NO_CHOICE: dict[str, Any] = {
    "inputs": "standardised",
    "whitening_ridge": 1.0,
    "seeds": [0],
    "weight_decay": 0.0,
    "clip_norm": 1e9,
    "patience": None,
}
_ACMR: dict[str, Any] = _NO_CHOICE | {
    "audio_widths": [40, 100, 40],
    "visual_widths": [512, 100, 40],
    "lambda_label": 100.0,
    "lambda_adversarial": 1.0,
    "margin": 0.1,
    "alpha": 5.0,
    "learning_rate": 1e-4,
    "batch_size": 64,
    "epochs": 50,
}
_TNN: dict[str, Any] = _NO_CHOICE | {
    "hidden_widths": [100, 100, 100],
    "output_width": 10,
    "dropout": 0.1,
    "margin": 0.3,
    "ridge": 1e-4,
    "learning_rate": 1e-3,
    "batch_size": 45,
    "epochs": 10,
}
FORMS: dict[str, dict[str, Any]] = {
    "acmr": _ACMR | {"trained": "all"},
    "acmr-as-run": _ACMR | {"trained": "as_run"},
    "tnn_c_cca": _TNN | {"pairs": "class"},
    "tnn_c_cca-as-run": _TNN | {"pairs": "own"},
}
"""All parameters of the models of ``studies.authors_forms``; ``as-run`` is what the code does beside its paper."""
PREFIX = "authors-"


def main() -> None:
    """Print a row, or run the experiment of one model."""
    arguments = _arguments()
    try:
        if arguments.features:
            if arguments.set_param:
                raise ParamsError(
                    f"-S {arguments.set_param[0]} with --features; expected -S for a DVC experiment alone"
                )
            print(row(arguments.model, _table(arguments.features), arguments.seeds, arguments.epochs))
            return
        run_again(PREFIX + arguments.model, command(arguments.model, arguments.set_param))
    except subprocess.CalledProcessError as error:
        sys.exit(f"authors: {' '.join(error.cmd)} ended with exit code {error.returncode}")
    except PipelineError as error:
        sys.exit(f"authors: {type(error).__name__}: {error}")


def command(model: str, changes: Sequence[str]) -> list[str]:
    """Return the command that runs a model with its authors' settings.

    Args:
        model: a key of ``SETTINGS``.
        changes: KEY=VALUE of params.yaml, changed as well.
    """
    return experiment(PREFIX + model, changes, options(model_sections()[model], SETTINGS[model]))


def row(model: str, table: "FeatureTable", seeds: Sequence[int], epochs: int | None = None) -> str:
    """Return a Markdown row: model, epochs, number of seeds, mean and standard deviation of the test MAPs over them.

    Args:
        model: a key of ``SETTINGS`` or ``FORMS``.
        table: of n clips; train rows are fitted on, validation rows choose the epoch of ``dscmr``.
        seeds: one fit each.
        epochs: in place of the authors'.

    Raises:
        DataError: the rows of the table cannot be fitted on.
    """
    import numpy as np

    from pipeline.model_parts.base import Pairs
    from pipeline.retrieval import average_map
    from pipeline.settings.device import one_thread

    maps = []
    for seed in seeds:
        fitted = authors_model(model, seed, epochs)
        with one_thread():
            fitted.fit(Pairs(*table.rows("train")), Pairs(*table.rows("validation")))
            audio, visual, labels = table.rows("test")
            maps.append(average_map(fitted.embed_audio(audio), fitted.embed_visual(visual), labels))
    deviation = f"{np.std(maps, ddof=1):.3f}" if len(maps) > 1 else "-"
    n_epochs = epochs or (SETTINGS | FORMS)[model]["epochs"]
    return f"| {model} | {n_epochs} | {len(maps)} | {np.mean(maps):.3f} | {deviation} |"


def authors_model(model: str, seed: int, epochs: int | None = None) -> "DeepModel":
    """Return a model as its authors have it, not fitted.

    Args:
        model: a key of ``SETTINGS`` or ``FORMS``.
        seed: of its random numbers.
        epochs: in place of the authors'.
    """
    from pipeline.models import dscmr
    from studies.authors_forms import AuthorsAcmr, AuthorsTnn

    changes = {} if epochs is None else {"epochs": epochs}
    if model in SETTINGS:
        shipped = load_params(model_sections()[model], dscmr.Params).model_dump()
        return dscmr.Model(dscmr.Params.model_validate(shipped | SETTINGS[model] | changes), seed)
    form = AuthorsAcmr if model.startswith("acmr") else AuthorsTnn
    return form(form.params_class.model_validate(FORMS[model] | changes), seed)


def _table(file: Path) -> "FeatureTable":
    """The feature table of a finished run, or of published features, split as the stage ``dataset`` does it."""
    from pipeline.formats.feature_table import FeatureTable
    from studies.comparison.sets import FeatureSet, prepare

    with tempfile.TemporaryDirectory() as folder:
        return FeatureTable.load(prepare(FeatureSet("features", file), Path(folder)))


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.authors", description=__doc__)
    parser.add_argument("model", choices=[*SETTINGS, *FORMS])
    parser.add_argument("--features", type=Path, metavar="FILE", help="feature table, or published features")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="with --features: of the fits")
    parser.add_argument("--epochs", type=int, help="with --features: in place of the authors'")
    parser.add_argument(
        "-S", "--set-param", action="append", default=[], metavar="KEY=VALUE", help="of params.yaml, changed as well"
    )
    arguments = parser.parse_args()
    if arguments.epochs is not None and arguments.epochs < 1:
        parser.error(f"--epochs {arguments.epochs}; expected at least 1")
    if arguments.features is None and arguments.model not in SETTINGS:
        parser.error(f"{arguments.model}: its layers and losses are not those of params.yaml; expected --features FILE")
    return arguments


if __name__ == "__main__":
    main()
