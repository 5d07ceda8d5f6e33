"""Parts that the encoders of deep models are built of: prepared inputs, hidden blocks, Gaussian heads."""

import math
from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from pipeline.model_parts.base import with_equal_norms
from pipeline.model_parts.row_blocks import FileRows, row_blocks
from pipeline.model_parts.search_space import SearchSpace
from pipeline.model_parts.whitening import moments_of_blocks, whitening_of_blocks, whitening_within_classes
from pipeline.settings.params import StageParams

Branch = Literal["perceptron", "fourier"]
"""What a branch is: a perceptron, or a linear map of random Fourier features, which is a kernel machine."""

INPUT_SEARCH: SearchSpace = {
    "inputs": ["standardised", "whitened", "unit"],
    "whitening_ridge": ("loguniform", 0.1, 10.0),
}
HIDDEN_SEARCH: SearchSpace = {
    "n_hidden_layers": ("randint", 0, 3),
    "hidden_width": [64, 128, 256, 512],
    "dropout": ("uniform", 0.0, 0.8),
}


class InputParams(StageParams):
    """How features come to an encoder.

    Attributes:
        inputs: ``standardised`` by the train rows; ``whitened``, that is standardised and then whitened by their
            covariance within the classes; or ``unit``, whitened without being standardised, and rows of one length.
        whitening_ridge: added to that covariance, relative to its mean variance; ``standardised`` has none.
    """

    inputs: Literal["standardised", "whitened", "unit"]
    whitening_ridge: PositiveFloat


class HiddenParams(StageParams):
    """The hidden blocks of an encoder.

    Attributes:
        n_hidden_layers: blocks of linear, layer norm, tanh and dropout; 0 leaves a linear map.
        hidden_width: outputs of a block.
        dropout: share of hidden values dropped in training.
    """

    n_hidden_layers: NonNegativeInt
    hidden_width: PositiveInt
    dropout: float = Field(ge=0, lt=1)


class BranchParams(HiddenParams):
    """The branches of an encoder that has several.

    Attributes:
        n_fourier_features: of a branch that is a kernel machine.
        n_heads: copies of each branch, with weights and Fourier features of their own; losses and similarities are
            the means over them.
    """

    n_fourier_features: PositiveInt
    n_heads: PositiveInt


class FeatureEncoder(nn.Module):
    """An encoder of features that are prepared by the train rows, as ``InputParams`` says.

    The standardisation takes the place of the batch normalisation in front of many papers' encoders, with no running
    statistics to lag behind. A subclass adds its layers and ``forward``, which begins with ``inputs``.
    """

    mean: Tensor
    deviation: Tensor
    whitening: Tensor | None

    def __init__(self, width: int, params: InputParams) -> None:
        """Make room for the statistics of features of ``width``."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.register_buffer("whitening", torch.eye(width) if params.inputs != "standardised" else None)
        self._inputs, self._whitening_ridge = params.inputs, params.whitening_ridge

    def prepare_by(self, features: Tensor, labels_onehot: Tensor) -> None:
        """Take the statistics from (n, width) train features of (n, n_classes) labels.

        A feature that is constant there keeps deviation 1, and so do all of ``unit`` inputs. Labels only count for the
        whitening, which is by the rows that have one, where some do.
        """
        mean, deviation = moments_of_blocks([features])
        self.mean.copy_(mean)
        if self._inputs != "unit":
            self.deviation.copy_(torch.where(deviation > 0, deviation, 1))
        if self.whitening is not None:
            ridge = self._whitening_ridge
            self.whitening.copy_(whitening_within_classes(features, labels_onehot, ridge, self._standard))

    def prepare_by_file(self, features: FileRows, labels: Tensor, n_classes: int) -> None:
        """Take the statistics from (n, width) train features in a file, of classes (n,) int64, -1 for none.

        They are those of ``prepare_by``; of more rows than are read at once, up to rounding.
        """
        mean, deviation = moments_of_blocks(features.blocks())
        self.mean.copy_(mean)
        if self._inputs != "unit":
            self.deviation.copy_(torch.where(deviation > 0, deviation, 1))
        if self.whitening is not None:

            def blocks() -> Iterator[tuple[Tensor, Tensor]]:
                for rows, of_rows in zip(features.blocks(), row_blocks(labels), strict=True):
                    yield self._standard(rows).double(), onehot(of_rows, n_classes).double()

            counts = torch.bincount(labels + 1, minlength=n_classes + 1)[1:].double()
            self.whitening.copy_(whitening_of_blocks(blocks, counts, len(features), self._whitening_ridge))

    def prepared(self, features: Tensor) -> Tensor:
        """Return (n, width) features as ``InputParams`` says; rows of one length have a mean square of 1.

        Many rows are prepared some at a time, so that no copy of them all lies in memory beside the result.
        """
        if len(blocks := row_blocks(features)) == 1:
            return self._prepared(features)
        prepared = torch.empty_like(features)
        for some, block in zip(blocks, row_blocks(prepared), strict=True):
            block.copy_(self._prepared(some))
        return prepared

    def _prepared(self, features: Tensor) -> Tensor:
        """All features at a time."""
        standard = self._standard(features)
        prepared = standard if self.whitening is None else standard @ self.whitening
        return functional.normalize(prepared) * math.sqrt(prepared.shape[1]) if self._inputs == "unit" else prepared

    def _standard(self, features: Tensor) -> Tensor:
        """Features less the mean, over the deviation."""
        return (features - self.mean) / self.deviation

    def inputs(self, features: Tensor) -> Tensor:
        """Return (n, width) inputs of the layers: in training mode the features, which a fit has prepared before."""
        return features if self.training else self.prepared(features)

    def branches(self, features: Tensor) -> dict[str, Tensor]:
        """Return the embeddings (n, k) of (n, width) features, by the name of the branch that gives them."""
        return {"": self(features)}


def onehot(labels: Tensor, n_classes: int) -> Tensor:
    """Return one-hot rows (n, n_classes) float32 of classes (n,) int64; zeros for -1, no class."""
    return functional.one_hot(labels + 1, n_classes + 1)[:, 1:].float()


def hidden_blocks(width: int, params: HiddenParams) -> list[nn.Module]:
    """Return the layers of the hidden blocks over inputs of ``width``."""
    layers: list[nn.Module] = []
    for _ in range(params.n_hidden_layers):
        hidden = params.hidden_width
        layers += [nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.Tanh(), nn.Dropout(params.dropout)]
        width = hidden
    return layers


def perceptron(width: int, output_width: int, params: HiddenParams) -> nn.Sequential:
    """Return hidden blocks and then a linear map: (n, width) to (n, output_width)."""
    last = params.hidden_width if params.n_hidden_layers else width
    return nn.Sequential(*hidden_blocks(width, params), nn.Linear(last, output_width))


class FourierFeatures(nn.Module):
    """Fixed random cosines: the mean product of two inputs' cosines is near a Gaussian kernel of the inputs.

    The kernel of two inputs is ``exp(-|x - y|^2 / (2 width))``: 1/e at the mean distance of inputs of mean square 1.

    References:
        Rahimi & Recht (2007), Random Features for Large-Scale Kernel Machines, NIPS.
    """

    directions: Tensor
    phases: Tensor

    def __init__(self, width: int, n_features: int) -> None:
        """Draw directions and phases from torch's generator; they are kept with the weights and not trained."""
        super().__init__()
        self.register_buffer("directions", torch.randn(width, n_features) / math.sqrt(width))
        self.register_buffer("phases", 2 * math.pi * torch.rand(n_features))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (n, n_features) features of (n, width) inputs, each of mean square 1 over its phases."""
        return math.sqrt(2) * torch.cos(inputs @ self.directions + self.phases)


def kernel_machine(width: int, output_width: int, n_features: int, dropout: float) -> nn.Sequential:
    """Return Fourier features, dropout and a linear map: (n, width) to (n, output_width)."""
    return nn.Sequential(FourierFeatures(width, n_features), nn.Dropout(dropout), nn.Linear(n_features, output_width))


class Heads(nn.Module):
    """Copies of a branch, each with weights of its own, their outputs side by side."""

    def __init__(self, heads: Iterable[nn.Module]) -> None:
        """Take ``n_heads`` branches of one width."""
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (n, n_heads * output width) outputs of (n, width) inputs."""
        return torch.cat([head(inputs) for head in self.heads], dim=1)


class PerceptronParams(InputParams, HiddenParams):
    """Inputs and hidden blocks of an encoder."""


class PerceptronEncoder(FeatureEncoder):
    """Hidden blocks and a linear map over prepared features."""

    def __init__(self, width: int, output_width: int, params: PerceptronParams) -> None:
        """Lay out the layers from ``width`` features to ``output_width`` outputs."""
        super().__init__(width, params)
        self.layers = perceptron(width, output_width, params)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, output_width) outputs of (n, width) features."""
        outputs: Tensor = self.layers(self.inputs(features))
        return outputs


class GaussianEncoder(FeatureEncoder):
    """An encoder to a normal distribution of independent latents: the recognition model of an autoencoder.

    References:
        Kingma & Welling (2014), Auto-Encoding Variational Bayes, ICLR.
    """

    def __init__(self, width: int, body: nn.Module, body_width: int, latent_width: int, params: InputParams) -> None:
        """Put two linear heads on a body that takes ``width`` features to ``body_width``."""
        super().__init__(width, params)
        self.body = body
        self.latent_mean = nn.Linear(body_width, latent_width)
        self.latent_log_variance = nn.Linear(body_width, latent_width)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, (n, latent_width) each, of (n, width) features."""
        hidden = self.body(self.inputs(features))  # (n, body_width)
        return self.latent_mean(hidden), self.latent_log_variance(hidden)

    def branches(self, features: Tensor) -> dict[str, Tensor]:
        """Return the means (n, latent_width) of (n, width) features."""
        return {"latent mean": self(features)[0]}


def sampled(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return one draw (n, latent_width) of each row's distribution, through which gradients reach both arguments."""
    return mean + torch.exp(log_variance / 2) * torch.randn_like(mean)


def branch_of_heads(width: int, output_width: int, kind: Branch, params: BranchParams) -> Heads:
    """Return the heads of a branch from ``width`` inputs to ``output_width`` outputs each."""
    if kind == "perceptron":
        return Heads(perceptron(width, output_width, params) for _ in range(params.n_heads))
    sizes = width, output_width, params.n_fourier_features, params.dropout
    return Heads(kernel_machine(*sizes) for _ in range(params.n_heads))


def agreeing(logits: Tensor, modality: Literal["audio", "visual"]) -> Tensor:
    """Return unit rows (n, k + 2) whose cosine across modalities is the dot product of probabilities.

    That is the chance that a draw of either gives the same; no probabilities have a norm above 1.

    Args:
        logits: (n, k) of the probabilities.
        modality: whose they are.
    """
    probabilities = functional.softmax(logits, dim=1).cpu().numpy()
    return torch.from_numpy(with_equal_norms(probabilities, 1.0, modality)).to(logits.device)
