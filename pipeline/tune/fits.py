"""One fit of a search: a trial's parameters on the rows of a fold, scored by the rows that it holds out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import DivergenceError
from pipeline.settings.paths import AnyPath
from pipeline.tune.choice import FoldCurve
from pipeline.tune.workers import FoldKey, Outcome


def fold_fit(
    features: AnyPath,
    name: str,
    parts: Sequence[Any],
    seed: int,
    base: Mapping[str, Any],
    drawn: Mapping[int, Mapping[str, Any]],
    key: FoldKey,
) -> Outcome:
    """Return one fit of a trial, perhaps in a process of its own; nothing stops it before its last epoch.

    Args:
        features: file of a feature table of n rows.
        name: of the model.
        parts: of each fold the rows to fit on and those to hold out, places among the n.
        seed: of the fit.
        base: section of the model in params.yaml.
        drawn: what each trial changes of it.
        key: the trial, and its fold.

    Returns:
        The key, the curve as ``fold_curve`` gives it, and what is wrong, if the training diverged: its curve is NaN.

    Raises:
        DataError: the features cannot be read, or the rows cannot be fitted on.
    """
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.base import Pairs, model_module
    from pipeline.settings.device import one_thread

    number, fold = key
    module, table = model_module(name), FeatureTable.load(features)
    never = {"patience": None} if "patience" in module.Params.model_fields else {}
    params = module.Params.model_validate({**base, **drawn[number], **never})
    fit, held = (Pairs(table.audio[rows], table.visual[rows], table.labels[rows]) for rows in parts[fold])
    try:
        with one_thread():
            return key, fold_curve(module.Model(params, seed), fit, held), ""
    except DivergenceError as error:
        return key, [math.nan], str(error)


def fold_curve(model: Any, fit: Any, held: Any) -> FoldCurve:  # noqa: ANN401 - a Model and Pairs, whose modules load torch
    """Return the MAP of held-out pairs, average of both directions, after each epoch of a fit; one of a closed form.

    Args:
        model: a ``Model`` that is not fitted yet, and that nothing stops early.
        fit: ``Pairs`` of (n, width) features to fit on.
        held: likewise those that are held out.
    """
    from pipeline.retrieval import average_map

    history = model.fit(fit, held)
    if history:
        return [epoch["validation_map"] for epoch in history]
    return [average_map(model.embed_audio(held.audio), model.embed_visual(held.visual), held.labels)]
