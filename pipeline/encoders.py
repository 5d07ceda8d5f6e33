"""Parts that the encoders of deep models are built of: standardised inputs, hidden blocks, Gaussian heads."""

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from pipeline.params import StageParams

_VARIANCE_FLOOR = 1e-9  # keeps the covariance of features invertible that do not vary within a class


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


class StandardisedEncoder(nn.Module):
    """An encoder of features that are standardised by the train rows.

    The standardisation takes the place of the batch normalisation in front of many papers' encoders, with no running
    statistics to lag behind. A subclass adds its layers and ``forward``, which begins with ``standardised``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        """Make room for mean and deviation of features of ``width``."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def standardise_by(self, features: Tensor) -> None:
        """Take mean and deviation from (n, width) train features; one that is constant there keeps deviation 1."""
        deviation = features.std(dim=0, correction=0)
        self.mean.copy_(features.mean(dim=0))
        self.deviation.copy_(torch.where(deviation > 0, deviation, 1))

    def standardised(self, features: Tensor) -> Tensor:
        """Return (n, width) features in deviations from the train mean."""
        return (features - self.mean) / self.deviation


class WhitenedEncoder(StandardisedEncoder):
    """An encoder of standardised features that can be whitened too, by their covariance within the classes.

    Whitening shrinks the directions in which clips of one class differ most, such as who speaks, or how loud.

    References:
        Hatch, Kajarekar & Stolcke (2006), Within-Class Covariance Normalization for SVM-based Speaker Recognition,
        Interspeech.
    """

    whitening: Tensor

    def __init__(self, width: int) -> None:
        """Make room for the statistics of features of ``width``."""
        super().__init__(width)
        self.register_buffer("whitening", torch.eye(width))

    def whiten_by(self, features: Tensor, labels_onehot: Tensor, ridge: float) -> None:
        """Take the whitening from (n, width) train features of (n, n_classes) labels, once they are standardised by.

        The covariance of standardised features less their class means gets ``ridge`` times the mean variance on its
        diagonal. One factor makes the mean square of the whitened train features 1.
        """
        centred, onehot = self.standardised(features).double(), labels_onehot.double()
        class_means = onehot.T @ centred / onehot.sum(dim=0).clamp(min=1)[:, None]  # (n_classes, width)
        within = centred - onehot @ class_means  # (n, width)
        covariance = within.T @ within / len(within)  # (width, width)
        covariance.diagonal().add_(ridge * covariance.diagonal().mean() + _VARIANCE_FLOOR)
        variances, directions = torch.linalg.eigh(covariance)
        whitening = directions * variances.rsqrt() @ directions.T
        scale = (centred @ whitening).square().mean().sqrt().clamp(min=_VARIANCE_FLOOR)
        self.whitening.copy_(whitening / scale)

    def whitened(self, features: Tensor) -> Tensor:
        """Return (n, width) standardised features, whitened as well after ``whiten_by``."""
        return self.standardised(features) @ self.whitening


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


class PerceptronEncoder(StandardisedEncoder):
    """Hidden blocks and a linear map over standardised features."""

    def __init__(self, width: int, output_width: int, params: HiddenParams) -> None:
        """Lay out the layers from ``width`` features to ``output_width`` outputs."""
        super().__init__(width)
        self.layers = perceptron(width, output_width, params)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, output_width) outputs of (n, width) features."""
        outputs: Tensor = self.layers(self.standardised(features))
        return outputs


class GaussianEncoder(StandardisedEncoder):
    """An encoder to a normal distribution of independent latents: the recognition model of an autoencoder.

    References:
        Kingma & Welling (2014), Auto-Encoding Variational Bayes, ICLR.
    """

    def __init__(self, width: int, body: nn.Module, body_width: int, latent_width: int) -> None:
        """Put two linear heads on a body that takes ``width`` features to ``body_width``."""
        super().__init__(width)
        self.body = body
        self.latent_mean = nn.Linear(body_width, latent_width)
        self.latent_log_variance = nn.Linear(body_width, latent_width)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, (n, latent_width) each, of (n, width) features."""
        hidden = self.body(self.standardised(features))  # (n, body_width)
        return self.latent_mean(hidden), self.latent_log_variance(hidden)


def sampled(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return one draw (n, latent_width) of each row's distribution, through which gradients reach both arguments."""
    return mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
