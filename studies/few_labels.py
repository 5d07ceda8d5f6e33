"""When two subspaces help: few labels, wrong labels, and what pairs share beyond their class.

usage: python -m studies.few_labels WORK [NAME=FILE...] [--shared RHO...] [--seeds S...]

Made pairs, whose share of common nuisance is set, and feature files, of whose train labels some are hidden or redrawn.
Each seed is another draw of the made pairs, and of the labels that are hidden; test labels are all true. Nothing is
chosen: parameters are those of section ``model``, and both subspaces count alike. All forms have as many outputs.
Finished draws stay in WORK; prints tables in Markdown.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.demo.labels import some_of
from pipeline.errors import PipelineError
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.files import file_sha256, write_atomically
from pipeline.model_parts.base import Pairs
from pipeline.models.dual_subspace import Model, Params
from pipeline.retrieval import average_map
from pipeline.retrieval.cosines import unit_rows
from pipeline.settings.device import one_thread
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.imports import PROJECT
from pipeline.settings.params import load_params
from pipeline.settings.progress import track
from studies.ablation import EXPLICIT_ONLY, IMPLICIT_ONLY, ONE_SUBSPACE
from studies.comparison import sets

MADE = "made"
N_MADE = {"train": 600, "validation": 60, "test": 300}
N_CLASSES, N_CODE, N_NUISANCE, WIDTH = 10, 8, 16, 64
CODE_SD, NOISE_SD = 1.3, 0.5
LABELS = ((1.0, 0.0), (0.05, 0.0), (1.0, 0.4))  # labelled fraction, and how many of these are redrawn
FORMS = {
    "pairs": "one subspace, pairs alone",
    "labels": "one subspace, labels alone",
    "apart": "two subspaces, a loss each",
    "one": "one subspace, both losses",
    "agreement": "explicit alone, labels in its loss",
    "dual": "two subspaces, as shipped",
    "one_pseudo": "one subspace, pseudo-labels",
    "dual_pseudo": "two subspaces, pseudo-labels",
}
_WORD = "labelled"


class Draw(NamedTuple):
    """One draw: which data, how much is common to a pair, which labels are left, and the seed."""

    data: str
    shared: float | None
    labelled: float
    wrong: float
    seed: int


class FormScores(NamedTuple):
    """What a form got: MAP over classes, and how often a clip's partner is first among the clips of its class."""

    map: float
    partner: float


def main() -> None:
    """Fit what is not there yet, and print the tables."""
    arguments = _arguments()
    try:
        files = {source.name: sets.prepare(source, arguments.work / "sets") for source in sets.parse(arguments.sets)}
        draws = [Draw(MADE, rho, *of, seed) for rho, of, seed in product(arguments.shared, LABELS, arguments.seeds)]
        draws += [Draw(name, None, *of, seed) for name, of, seed in product(files, LABELS, arguments.seeds)]
        found = {draw: scores(draw, files, arguments.work) for draw in track(draws, "few labels", "draw")}
    except PipelineError as error:
        sys.exit(f"few_labels: {type(error).__name__}: {error}")
    print("\n".join(tables(found)))


def made_pairs(shared: float, seed: int) -> dict[str, Pairs]:
    """Return pairs whose modalities share their class and a part of their nuisance, by split.

    A clip has a class code (8 numbers of standard deviation 1.3) and a nuisance a modality (16 of variance 1), of whose
    variance ``shared`` is from one draw for both; a modality is ``tanh(z W)`` and noise, 64 wide.

    Args:
        shared: share of the nuisance's variance, 0 to 1.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    codes = CODE_SD * rng.standard_normal((N_CLASSES, N_CODE))
    mixing = rng.standard_normal((2, N_CODE + N_NUISANCE, WIDTH)) / math.sqrt(N_CODE + N_NUISANCE)
    made = {}
    for split, n in N_MADE.items():
        labels = rng.permutation(np.arange(n) % N_CLASSES)
        common, *own = rng.standard_normal((3, n, N_NUISANCE))
        views = []
        for private, matrix in zip(own, mixing, strict=True):
            z = np.hstack([codes[labels], math.sqrt(shared) * common + math.sqrt(1 - shared) * private])
            views.append((np.tanh(z @ matrix) + NOISE_SD * rng.standard_normal((n, WIDTH))).astype(np.float32))
        made[split] = Pairs(views[0], views[1], labels)
    return made


def with_labels(train: Pairs, labelled: float, wrong: float, seed: int) -> Pairs:
    """Return train pairs of which some keep their label: as many of each class, at least one; others have -1.

    Args:
        train: (n, width) with all labels.
        labelled: share of a class that keeps its label.
        wrong: share of these whose label is drawn anew from all classes.
        seed: of the draw.
    """
    labels = some_of(train.labels, labelled, wrong, np.random.default_rng([seed, 1]))
    return train._replace(labels=labels)


def scores(draw: Draw, files: dict[str, Path], work: Path) -> dict[str, FormScores]:
    """Return what each form got on a draw, from its file where that is there."""
    features = files.get(draw.data)
    key = [*draw, file_sha256(features) if features else "", _code()]
    file = work / "draws" / f"{fingerprint({'draw': key}, [], PROJECT)[:16]}.json"
    if file.is_file():
        return {form: FormScores(*numbers) for form, numbers in json.loads(file.read_text()).items()}
    with one_thread():
        found = _fitted(draw, features)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(found).encode())
    return found


def _fitted(draw: Draw, features: Path | None) -> dict[str, FormScores]:
    """Fit every form on a draw, and score it on test rows."""
    if features is None:
        of = made_pairs(draw.shared or 0.0, draw.seed)
    else:
        table = FeatureTable.load(features)
        of = {split: Pairs(*table.rows(split)) for split in N_MADE}
    some, test = with_labels(of["train"], draw.labelled, draw.wrong, draw.seed), of["test"]
    bare, validation = some._replace(labels=np.full(len(some.labels), -1)), of["validation"]
    seed, heads = draw.seed, {"n_heads": 2}

    def fit(train: Pairs, changes: dict[str, Any]) -> Model:
        model = Model(load_params("model", Params).model_copy(update=changes), seed)
        model.fit(train, validation)
        return model

    one = fit(some, ONE_SUBSPACE | heads | {"n_subspaces": 1})
    dual = fit(some, {})
    models = {
        "pairs": fit(bare, EXPLICIT_ONLY | heads),
        "labels": fit(some.labelled(), IMPLICIT_ONLY | heads),
        "one": one,
        "agreement": fit(some, EXPLICIT_ONLY | heads),
        "dual": dual,
        "one_pseudo": fit(pseudo_labelled(one, some), ONE_SUBSPACE | heads | {"n_subspaces": 1}),
        "dual_pseudo": fit(pseudo_labelled(dual, some), {}),
    }
    embedded = {
        form: (model.embed_audio(test.audio), model.embed_visual(test.visual)) for form, model in models.items()
    }
    halves = fit(bare, EXPLICIT_ONLY), fit(some.labelled(), IMPLICIT_ONLY)
    embedded["apart"] = (
        np.hstack([unit_rows(half.embed_audio(test.audio)) for half in halves]),
        np.hstack([unit_rows(half.embed_visual(test.visual)) for half in halves]),
    )
    return {form: _scores_of(*embedded[form], test.labels) for form in FORMS}


def pseudo_labelled(model: Model, some: Pairs) -> Pairs:
    """Return train pairs in which a clip without a label has the class that both its halves are nearest to.

    Nearest is the mean embedding of the class's labelled clips, both modalities together; clips whose halves disagree
    stay without a label.

    Args:
        model: fitted on ``some``.
        some: of which some have a label.
    """
    known, classes = some.labels >= 0, np.unique(some.labels[some.labels >= 0])
    views = [unit_rows(rows) for rows in (model.embed_audio(some.audio), model.embed_visual(some.visual))]
    centres = unit_rows(np.stack([sum(view[some.labels == label].mean(axis=0) for view in views) for label in classes]))
    audio, visual = (classes[(view @ centres.T).argmax(axis=1)] for view in views)
    return some._replace(labels=np.where(known, some.labels, np.where(audio == visual, audio, -1)))


def _scores_of(audio: NDArray[Any], visual: NDArray[Any], labels: NDArray[np.int64]) -> FormScores:
    """MAP over classes, and the share of clips whose partner is nearest among their class, both ways."""
    cosines = unit_rows(audio) @ unit_rows(visual).T
    within = np.where(labels[:, None] == labels, cosines, -np.inf)
    own = np.arange(len(labels))
    first = [(of.argmax(axis=1) == own).mean() for of in (within, within.T)]
    return FormScores(average_map(audio, visual, labels), float(np.mean(first)))


def tables(found: dict[Draw, dict[str, FormScores]]) -> Iterator[str]:
    """Yield two tables as Markdown: MAP of each form with margins, and how often the partner is first.

    Args:
        found: of each draw what each form got.
    """
    groups: dict[tuple[Any, ...], list[dict[str, FormScores]]] = {}
    for draw, of_forms in found.items():
        groups.setdefault(draw[:-1], []).append(of_forms)
    heads = ["data", "shared", _WORD, "redrawn"]
    yield f"| {' | '.join([*heads, *FORMS.values(), 'shipped less the better single loss', 'less one with both'])} |"
    yield f"|{'---|' * len(heads)}{'---:|' * (len(FORMS) + 2)}"
    for key, draws in groups.items():
        maps = {form: np.array([of[form].map for of in draws]) for form in FORMS}
        better = max(("pairs", "labels"), key=lambda form: float(maps[form].mean()))
        leads = (maps["dual"] - maps[better], maps["dual"] - maps["one"])
        cells = [f"{maps[form].mean():.3f}" for form in FORMS] + [_points(lead) for lead in leads]
        yield f"| {' | '.join([*_condition(key), *cells])} |"
    yield ""
    yield f"| {' | '.join([*heads, *FORMS.values()])} |"
    yield f"|{'---|' * len(heads)}{'---:|' * len(FORMS)}"
    for key, draws in groups.items():
        cells = [f"{np.mean([of[form].partner for of in draws]):.2f}" for form in FORMS]
        yield f"| {' | '.join([*_condition(key), *cells])} |"


def _condition(key: Sequence[Any]) -> list[str]:
    """The cells that say what a row is about."""
    data, shared, labelled, wrong = key
    return [data, "" if shared is None else f"{shared:g}", f"{100 * labelled:g} %", f"{100 * wrong:g} %"]


def _points(lead: NDArray[np.float64]) -> str:
    """A lead in points of MAP, with its standard error over the draws where there are several."""
    error = f" ± {100 * lead.std(ddof=1) / math.sqrt(len(lead)):.1f}" if len(lead) > 1 else ""
    return f"{100 * lead.mean():+.1f}{error}"


@cache
def _code() -> str:
    """A hash of the code that makes a draw's numbers, the model included, and of its parameters."""
    params = load_params("model", Params).model_dump(mode="json")
    return fingerprint({"model": params}, ["studies.few_labels"], PROJECT)


def _arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m studies.few_labels", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, metavar="WORK", help="folder of what is finished")
    parser.add_argument(
        "sets", nargs="*", metavar="NAME=FILE", help="feature files, or data/features.safetensors of a run"
    )
    parser.add_argument("--shared", nargs="+", type=float, default=[0.5], metavar="RHO", help="of made pairs")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="S")
    return parser.parse_args()


if __name__ == "__main__":
    main()
