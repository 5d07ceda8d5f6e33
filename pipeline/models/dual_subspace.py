"""The main model: an explicit and an implicit common subspace, fused by a linear CCA.

What the paper leaves open (sizes, weights, optimiser, form of the losses) is a parameter; the works it cites give the
choices.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from pipeline import linalg, losses, training
from pipeline.device import chosen_device
from pipeline.encoders import HiddenParams, StandardisedEncoder, perceptron
from pipeline.errors import DataError
from pipeline.models.base import History, Pairs, check_features, check_pairs, load_model, save_model
from pipeline.retrieval import mean_average_precision
from pipeline.search_space import Choice, IntUniform, LogUniform, SearchSpace, Uniform

SEARCH: SearchSpace = {
    "lambda_corr": LogUniform(0.1, 10.0),
    "lambda_disc": LogUniform(0.1, 10.0),
    "lambda_constraint": LogUniform(1e-3, 1.0),
    "correlation": Choice(("pairwise", "likelihood", "cca")),
    "n_hidden_layers": IntUniform(1, 3),
    "hidden_width": Choice((128, 256, 512)),
    "explicit_width": Choice((16, 32, 64, 128)),
    "implicit_width": Choice((16, 32, 64, 128)),
    "dropout": Uniform(0.0, 0.5),
    "fusion": Choice(("cca", "cluster_cca")),
    "fusion_components": IntUniform(5, 32),
    "fusion_ridge": LogUniform(1e-3, 1.0),
    "learning_rate": LogUniform(1e-4, 1e-2),
    "weight_decay": LogUniform(1e-5, 1e-1),
}
_ROWS_AT_ONCE = 4096


class Params(training.TrainingParams, HiddenParams):
    """Section ``model`` of params.yaml.

    Attributes:
        seeds: one model is trained for each.
        lambda_corr: weight of the correlation loss, which ties the explicit embeddings of a clip.
        lambda_disc: weight of the discriminative loss, which ties implicit embeddings to labels.
        lambda_constraint: weight of the constraint loss, which keeps the two embeddings of an input apart.
        correlation: form of the correlation loss.
        correlation_ridge: of the form ``cca``, relative to the mean variance; the other forms have none.
        explicit_width: outputs of an explicit branch.
        implicit_width: outputs of an implicit branch.
        fusion: what makes the joint embedding of the concatenation: CCA on the pairs, on all pairs of one class, or
            nothing.
        fusion_components: width of the joint embedding; ``cluster_cca`` has at most n_classes - 1.
        fusion_ridge: relative to the mean variance.
    """

    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)]
    lambda_corr: NonNegativeFloat
    lambda_disc: NonNegativeFloat
    lambda_constraint: NonNegativeFloat
    correlation: Literal["pairwise", "likelihood", "cca"]
    correlation_ridge: PositiveFloat
    explicit_width: PositiveInt
    implicit_width: PositiveInt
    fusion: Literal["cca", "cluster_cca", "none"]
    fusion_components: PositiveInt
    fusion_ridge: NonNegativeFloat

    @model_validator(mode="after")
    def _something_is_learnt(self) -> Self:
        if self.lambda_corr == self.lambda_disc == self.lambda_constraint == 0:
            raise ValueError("lambda_corr, lambda_disc and lambda_constraint are all 0; expected one above 0")
        return self

    @model_validator(mode="after")
    def _fusion_fits(self) -> Self:
        width = self.explicit_width + self.implicit_width
        if self.fusion_components > width:
            raise ValueError(
                f"fusion_components={self.fusion_components}; expected at most {width}, explicit_width + implicit_width"
            )
        return self


class Encoder(StandardisedEncoder):
    """The explicit and the implicit branch of one modality, over the same standardised features."""

    def __init__(self, width: int, params: Params) -> None:
        """Lay out both branches for features of ``width``."""
        super().__init__(width)
        self.explicit = perceptron(width, params.explicit_width, params)
        self.implicit = perceptron(width, params.implicit_width, params)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the explicit and the implicit embeddings of (n, width) features."""
        standard = self.standardised(features)  # (n, width)
        return self.explicit(standard), self.implicit(standard)  # (n, explicit_width), (n, implicit_width)


class Network(nn.Module):
    """An encoder for each modality, and the linear classifier that their implicit embeddings share."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__()
        self.audio = Encoder(audio_width, params)
        self.visual = Encoder(visual_width, params)
        self.classifier = nn.Linear(params.implicit_width, n_classes, bias=False)
        self.params = params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the weighted sum of the losses of a minibatch; a loss of weight 0 is not computed."""
        params = self.params
        audio_explicit, audio_implicit = self.audio(audio)  # (n, explicit_width), (n, implicit_width)
        visual_explicit, visual_implicit = self.visual(visual)
        total = audio.new_zeros(())
        if params.lambda_corr:
            total = total + params.lambda_corr * self._correlation(audio_explicit, visual_explicit, labels_onehot)
        if params.lambda_disc:
            discriminative = losses.discriminative_loss(
                audio_implicit, visual_implicit, labels_onehot, self.classifier.weight
            )
            total = total + params.lambda_disc * discriminative
        if params.lambda_constraint:
            overlap = losses.constraint_loss(audio_explicit, audio_implicit)
            overlap = overlap + losses.constraint_loss(visual_explicit, visual_implicit)
            total = total + params.lambda_constraint * overlap
        return total

    def _correlation(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """The correlation loss in the form that the parameters ask for."""
        if self.params.correlation == "pairwise":
            return losses.pairwise_correlation_loss(audio, visual)
        if self.params.correlation == "likelihood":
            return losses.likelihood_loss(audio, visual, labels_onehot)
        return losses.cca_loss(audio, visual, self.params.explicit_width, self.params.correlation_ridge)


class Model:
    """Explicit and implicit common subspaces, concatenated and fused by a linear CCA fitted on the train rows.

    The epoch is chosen by the validation MAP of the joint embedding, the average of both directions.

    References:
        Zeng et al. (2023), Learning Explicit and Implicit Dual Common Subspaces for Audio-visual Cross-modal
        Retrieval, ACM TOMM 19(2s).
    """

    def __init__(self, params: Params, seed: int) -> None:
        """Hold the parameters, and the seed of weights, order and dropout; it computes on a GPU if there is one."""
        self._params, self._seed, self._device = params, seed, chosen_device()
        self._fitted: tuple[Network, linalg.Cca] | None = None

    def fit(self, train: Pairs, validation: Pairs) -> History:
        """Learn from ``train``, stop by ``validation``, and return one dict an epoch.

        Raises:
            DataError: the pairs cannot be used, or the loss is no longer finite.
        """
        check_pairs(train, "train")
        check_pairs(validation, "validation")
        audio, visual = (torch.from_numpy(features).to(self._device) for features in (train.audio, train.visual))
        labels_onehot = functional.one_hot(torch.from_numpy(train.labels)).to(audio)  # (n, n_classes)
        network = self._new_network(audio.shape[1], visual.shape[1], labels_onehot.shape[1])
        network.audio.standardise_by(audio)
        network.visual.standardise_by(visual)

        def validation_map() -> float:
            self._fitted = network, self._fit_fusion(network, train)
            joint_audio, joint_visual = self.embed_audio(validation.audio), self.embed_visual(validation.visual)
            return _average_map(joint_audio, joint_visual, validation.labels)

        data = (audio, visual, labels_onehot)
        history = training.fit(network, network.loss, data, validation_map, self._params, self._seed)
        self._fitted = network, self._fit_fusion(network, train)
        return history

    def embed_audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) joint embeddings of (n, audio width) features.

        Raises:
            DataError: the model is not fitted, or the features have another width or are not finite.
        """
        network, fusion = self._check_fitted()
        check_features(audio, len(network.audio.mean), "audio")
        return fusion.x_variates(_concatenation(network.audio, audio)).astype(np.float32)

    def embed_visual(self, visual: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) joint embeddings of (n, visual width) features.

        Raises:
            DataError: as ``embed_audio``.
        """
        network, fusion = self._check_fitted()
        check_features(visual, len(network.visual.mean), "visual")
        return fusion.y_variates(_concatenation(network.visual, visual)).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write weights, standardisation and fusion.

        Raises:
            DataError: the model is not fitted.
        """
        network, fusion = self._check_fitted()
        arrays = {f"network.{name}": value.cpu().numpy() for name, value in network.state_dict().items()}
        arrays |= {f"fusion.{name}": value for name, value in fusion._asdict().items()}
        save_model(path, self._params, self._seed, arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the model that ``save`` wrote.

        Raises:
            DataError: the file is missing or is not of this model.
        """
        params, seed, arrays = load_model(path, Params)
        model = cls(params, seed)
        of_network, of_fusion = (_without_prefix(arrays, prefix) for prefix in ("network.", "fusion."))
        network = model._new_network(
            len(of_network["audio.mean"]), len(of_network["visual.mean"]), len(of_network["classifier.weight"])
        )
        network.load_state_dict({name: torch.from_numpy(array) for name, array in of_network.items()})
        model._fitted = network.eval(), linalg.Cca(**of_fusion)
        return model

    def _new_network(self, audio_width: int, visual_width: int, n_classes: int) -> Network:
        """A network with initial weights of the seed, on the device."""
        with training.seeded(self._seed, torch.device("cpu")):
            return Network(audio_width, visual_width, n_classes, self._params).to(self._device)

    def _fit_fusion(self, network: Network, train: Pairs) -> linalg.Cca:
        """The joint embedding's linear maps, from the network's concatenations of the train rows."""
        params, width = self._params, self._params.explicit_width + self._params.implicit_width
        if params.fusion == "none":
            return linalg.Cca(np.zeros(width), np.zeros(width), np.eye(width), np.eye(width), np.ones(width))
        audio, visual = _concatenation(network.audio, train.audio), _concatenation(network.visual, train.visual)
        if params.fusion == "cca":
            return linalg.cca(audio, visual, params.fusion_components, params.fusion_ridge)
        return linalg.cluster_cca(
            audio, visual, train.labels, train.labels, params.fusion_components, params.fusion_ridge
        )

    def _check_fitted(self) -> tuple[Network, linalg.Cca]:
        """Network and fusion, which must be there."""
        if self._fitted is None:
            raise DataError("model is not fitted; expected fit or load before embed and save")
        return self._fitted


@torch.inference_mode()
def _concatenation(encoder: Encoder, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Explicit and implicit embeddings side by side, each of unit length: (n, explicit_width + implicit_width)."""
    blocks = torch.split(torch.from_numpy(features).to(encoder.mean.device), _ROWS_AT_ONCE)
    parts = [torch.cat([functional.normalize(branch) for branch in encoder(block)], dim=1) for block in blocks]
    concatenated: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return concatenated


def _average_map(audio: NDArray[np.float32], visual: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """MAP, the average of both directions."""
    audio_to_visual = mean_average_precision(audio, visual, labels, labels)
    return (audio_to_visual + mean_average_precision(visual, audio, labels, labels)) / 2


def _without_prefix(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The arrays whose names begin with the prefix, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
