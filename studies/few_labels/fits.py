"""What each form gets on a draw: fitted once, and kept in a file."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pipeline.formats.files import file_sha256, write_atomically
from pipeline.model_parts.base import Pairs
from pipeline.models.dual_subspace import Model, Params
from pipeline.retrieval.average_precision import average_precision
from pipeline.retrieval.cosines import unit_rows
from pipeline.settings.device import one_thread
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.imports import PROJECT
from pipeline.settings.params import load_params
from studies.ablation import EXPLICIT_ONLY, IMPLICIT_ONLY, ONE_SUBSPACE
from studies.few_labels.draws import Draw, splits_of, with_labels
from studies.few_labels.tied import TIED, TiedNetwork, TiedParams

PSEUDO = "_pseudo"
FORMS = {
    "pairs": "one subspace, pairs alone",
    "labels": "one subspace, labels alone",
    "one": "one, both losses",
    "one_by_agreement": "one, both losses, by agreement",
    "explicit": "explicit alone, labels in its loss",
    "dual": "two, as shipped",
    "dual_by_agreement": "two, as shipped, by agreement",
    "apart": "two, a loss each",
    "apart_by_agreement": "two, a loss each, by agreement",
    "both": "two, pairs in both",
    "both_by_agreement": "two, pairs in both, by agreement",
    "consistent_by_agreement": "a loss each, consistent, by agreement",
    "trunk_by_agreement": "a loss each, one trunk, by agreement",
    "one_pseudo": "one, pseudo-labels",
    "dual_pseudo": "two, pseudo-labels",
}
APART: dict[str, Any] = {"fusion": "by_agreement", "correlation": "agreement_of_pairs"}
_DECIMALS = 5  # of an average precision that is kept


class FormScores(NamedTuple):
    """What a form got.

    Attributes:
        partner: how often a clip's partner is first among the clips of its class.
        share: of the explicit outputs in the similarity, where validation pairs chose it.
        precisions: average precision of each test clip over classes, the mean of both directions.
    """

    partner: float
    share: float | None
    precisions: list[float]

    @property
    def map(self) -> float:
        """The mean average precision."""
        return float(np.mean(self.precisions))


OfForms = dict[str, FormScores]


def scores(draw: Draw, features: Path | None, work: Path, *, has_pseudo: bool, has_tied: bool) -> OfForms:
    """Return what each form got on a draw, from its files where they are there.

    Args:
        draw: to fit on.
        features: file of its set; None: the pairs are made.
        work: folder of what is finished.
        has_pseudo: whether forms with pseudo-labels are fitted too, where some clips have no label.
        has_tied: whether forms are fitted too whose branches are tied.
    """
    bare = draw._replace(labelled=0.0, wrong=0.0)  # pairs alone are fitted once for all labels
    found = _kept(bare, "pairs", features, work, _of_pairs) | _kept(draw, "labels", features, work, _of_labels)
    if has_pseudo and draw.labelled < 1:
        found |= _kept(draw, PSEUDO, features, work, _of_pseudo_labels)
    return found | (_kept(draw, "tied", features, work, _of_tied) if has_tied else {})


def _kept(
    draw: Draw, part: str, features: Path | None, work: Path, fitted: Callable[[Draw, Path | None], OfForms]
) -> OfForms:
    """What the forms of a part got, from their file where it is there."""
    key = [*draw, part, file_sha256(features) if features else "", _code()]
    file = work / "draws" / f"{fingerprint({'draw': key}, [], PROJECT)[:16]}.json"
    if file.is_file():
        return {form: FormScores(*numbers) for form, numbers in json.loads(file.read_text()).items()}
    with one_thread():
        found = fitted(draw, features)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(found).encode())
    return found


def _of_pairs(draw: Draw, features: Path | None) -> OfForms:
    """The form that looks at no label."""
    of = splits_of(draw, features)
    bare = of["train"]._replace(labels=np.full(len(of["train"].labels), -1))
    model = _fitted(bare, of["validation"], EXPLICIT_ONLY | {"n_heads": 2}, draw.seed)
    return {"pairs": _scores_of(model, of["test"])}


def _of_labels(draw: Draw, features: Path | None) -> OfForms:
    """The forms that look at labels; a fusion by agreement changes no loss, so that one fit serves for both fusions."""
    of = splits_of(draw, features)
    some = with_labels(of["train"], draw.labelled, draw.wrong, draw.seed)
    found: OfForms = {}
    for form, train, changes in (
        ("labels", some.labelled(), IMPLICIT_ONLY | {"n_heads": 2}),
        ("explicit", some, EXPLICIT_ONLY | {"n_heads": 2}),
        ("one", some, ONE_SUBSPACE | {"n_heads": 2, "n_subspaces": 1, "fusion": "by_agreement"}),
        ("dual", some, {"fusion": "by_agreement"}),
        ("apart", some, APART),
        ("both", some, APART | {"lambda_pairs": 1.0}),
    ):
        found |= dict(_both_fusions(form, _fitted(train, of["validation"], changes, draw.seed), of["test"]))
    return found


def _of_pseudo_labels(draw: Draw, features: Path | None) -> OfForms:
    """The forms that are fitted again with the labels that they give to clips without one."""
    of, found = splits_of(draw, features), {}
    some = with_labels(of["train"], draw.labelled, draw.wrong, draw.seed)
    for form, changes in (("one", ONE_SUBSPACE | {"n_heads": 2, "n_subspaces": 1}), ("dual", {})):
        first = _fitted(some, of["validation"], changes, draw.seed)
        again = _fitted(pseudo_labelled(first, some), of["validation"], changes, draw.seed)
        found[form + PSEUDO] = _scores_of(again, of["test"])
    return found


def _of_tied(draw: Draw, features: Path | None) -> OfForms:
    """The forms whose branches are tied; of each the share that validation pairs chose."""
    of = splits_of(draw, features)
    some = with_labels(of["train"], draw.labelled, draw.wrong, draw.seed)
    found: OfForms = {}
    for form, ties in TIED.items():
        params = TiedParams(**load_params("model", Params).model_dump() | APART | ties)
        model = Tied(params, draw.seed)
        model.fit(some, of["validation"])
        found |= dict([next(_both_fusions(form, model, of["test"]))])
    return found


class Reweighable(Model):
    """A main model whose chosen share is seen, and may be changed, after the fit."""

    @property
    def share(self) -> Tensor | None:
        """The share of the explicit outputs, if validation pairs chose it."""
        return getattr(self._fitted(), "share", None)


class Tied(Reweighable):
    """A main model whose branches are tied."""

    params_class = TiedParams
    network_class = TiedNetwork


def _fitted(train: Pairs, validation: Pairs, changes: dict[str, Any], seed: int) -> Reweighable:
    """A model of section ``model`` with changes."""
    model = Reweighable(load_params("model", Params).model_copy(update=changes), seed)
    model.fit(train, validation)
    return model


def _both_fusions(form: str, model: "Reweighable", test: Pairs) -> Iterator[tuple[str, FormScores]]:
    """What a model gets with the share of section ``model``, and with that of validation pairs, if they chose one."""
    if (share := model.share) is not None:
        yield f"{form}_by_agreement", _scores_of(model, test)._replace(share=share.item())
        share.fill_(load_params("model", Params).explicit_share)
    yield form, _scores_of(model, test)


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


def _scores_of(model: Model, test: Pairs) -> FormScores:
    """What a model gets on test rows."""
    return scores_of(model.embed_audio(test.audio), model.embed_visual(test.visual), test.labels)


def scores_of(audio: NDArray[Any], visual: NDArray[Any], labels: NDArray[np.int64]) -> FormScores:
    """Return what embeddings (n, k) of clips with labels (n,) get."""
    cosines, same_class = unit_rows(audio) @ unit_rows(visual).T, labels[:, None] == labels
    within, own = np.where(same_class, cosines, -np.inf), np.arange(len(labels))
    first = [(of.argmax(axis=1) == own).mean() for of in (within, within.T)]
    precisions = np.mean([average_precision(of, same_class) for of in (cosines, cosines.T)], axis=0)
    return FormScores(float(np.mean(first)), None, precisions.round(_DECIMALS).tolist())


@cache
def _code() -> str:
    """A hash of the code that makes a draw's numbers, the model included, and of its parameters."""
    params = load_params("model", Params).model_dump(mode="json")
    return fingerprint({"model": params}, ["studies.few_labels.fits"], PROJECT)
