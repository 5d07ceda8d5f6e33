"""Which idea can be tried on which model, and the model with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import ParamsError
from pipeline.model_parts.base import model_module
from pipeline.model_parts.deep import DeepModel
from pipeline.model_parts.network import Network
from pipeline.models.acmr import AcmrNetwork
from pipeline.models.dscmr import DscmrNetwork
from pipeline.models.dual_subspace import DualSubspaceNetwork
from pipeline.models.label_probabilities import ProbabilityNetwork
from pipeline.settings.params import load_params, model_sections
from studies.ideas import forms
from studies.ideas.training import AveragedWeights, MixedPairs, in_front_of

WITHOUT = "none"  # the model as it is
TEMPERATURES = {"temperature_0.5": 0.5, "temperature_2": 2.0}
_SHIPPED: dict[str, type[Network]] = {
    "dual_subspace": DualSubspaceNetwork,
    "dscmr": DscmrNetwork,
    "acmr": AcmrNetwork,
    "label_probabilities": ProbabilityNetwork,
}
_OWN_FORMS: dict[str, dict[str, type[Network]]] = {
    "contrastive": {
        "dual_subspace": forms.ContrastiveDual,
        "dscmr": forms.ContrastiveDscmr,
        "acmr": forms.ContrastiveAcmr,
    },
    "proxy": {
        "dual_subspace": forms.ProxyDual,
        "dscmr": forms.ProxyDscmr,
        "acmr": forms.ProxyAcmr,
        "label_probabilities": forms.ProxyProbabilities,
    },
}


def _tempered(network: Any, temperature: float) -> type[Network]:  # noqa: ANN401 - a class with ``temperature``
    """A network of a temperature."""
    tempered: type[Network] = type(f"{network.__name__}{temperature}", (network,), {"temperature": temperature})
    return tempered


NETWORKS: dict[str, dict[str, type[Network]]] = {
    **_OWN_FORMS,
    "mixup": {model: in_front_of(MixedPairs, network) for model, network in _SHIPPED.items()},
    "average": {model: in_front_of(AveragedWeights, network) for model, network in _SHIPPED.items()},
    **{
        idea: {
            "dual_subspace": _tempered(forms.TemperedDual, temperature),
            "label_probabilities": _tempered(forms.TemperedProbabilities, temperature),
        }
        for idea, temperature in TEMPERATURES.items()
    },
    "fusion": {"dual_subspace": forms.FittedFusion},
}
"""The network of each idea and model."""
MODELS, IDEAS = tuple(_SHIPPED), tuple(NETWORKS)
_SET: Mapping[str, dict[str, Any]] = {"label_probabilities": {"classifier": "mlp"}}
_SET_BY_IDEA: Mapping[tuple[str, str], dict[str, Any]] = {
    # the explicit branch is no longer one of latent states: the fusion takes its cosine
    ("dual_subspace", "contrastive"): {"correlation": "likelihood"},
}


def check(models: Sequence[str], ideas: Sequence[str]) -> None:
    """Refuse models and ideas that are not there.

    Raises:
        ParamsError: a name is none of ``MODELS`` or ``IDEAS``.
    """
    for kind, names, known in (("model", models, MODELS), ("idea", ideas, IDEAS)):
        for name in names:
            if name not in known:
                raise ParamsError(f"{kind} {name!r}; expected one of {', '.join(known)}")


def ideas_for(model: str, ideas: Sequence[str]) -> list[str]:
    """Return those of the ideas that the model can be tried with."""
    return [idea for idea in ideas if model in NETWORKS[idea]]


def fields_of(model: str, idea: str) -> dict[str, Any]:
    """Return the parameters of a model with an idea: those of params.yaml, ``patience`` none so that no fit is stopped.

    Args:
        model: one of ``MODELS``.
        idea: one of ``IDEAS``, or ``WITHOUT``.

    Raises:
        ParamsError: params.yaml has no such section, or a wrong one.
    """
    section = model_sections().get(model, f"baselines.{model}")
    shipped = load_params(section, model_module(model).Params).model_dump()
    fields: dict[str, Any] = shipped | {"patience": None} | _SET.get(model, {}) | _SET_BY_IDEA.get((model, idea), {})
    return fields


def model_with(model: str, idea: str, fields: Mapping[str, Any], seed: int) -> DeepModel:
    """Return a model with an idea, not fitted.

    Args:
        model: one of ``MODELS``.
        idea: one of ``IDEAS``, or ``WITHOUT``.
        fields: from ``fields_of``.
        seed: of its random numbers.
    """
    module = model_module(model)
    network = _SHIPPED[model] if idea == WITHOUT else NETWORKS[idea][model]
    of_idea: type[DeepModel] = type(f"{network.__name__}Model", (module.Model,), {"network_class": network})
    return of_idea(module.Params.model_validate(dict(fields)), seed)
