"""Seeded random weights of VGGish that keep what tells one sound from another."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.vggish.network import Vggish, _flatten
from pipeline.settings.device import one_thread

N_REFERENCE_EXAMPLES = 32


def random_state(seed: int) -> dict[str, Tensor]:
    """Return seeded random weights that keep what tells one sound from another.

    Log-mel values lie far from zero, and under plain random weights the offset this leaves in every layer outgrows
    the differences between sounds. So each unit is shifted and scaled to mean 0 and variance 1 over seeded noise of
    many bandwidths (layer-sequential unit variance, here a unit at a time and with the mean). The fully connected
    layers do not care when a sound comes, and lose nothing to their ReLUs: they look linear.

    Args:
        seed: any number from 0 up; it fixes every weight, whatever the number of threads.

    References:
        Mishkin & Matas (2016), All you need is a good init, ICLR.
        Balduzzi et al. (2017), The shattered gradients problem, ICML (looks-linear weights).
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        network = Vggish(final_relu=False)
    network.to_empty(device="cpu")
    with torch.no_grad(), one_thread():
        for layer in network.features:
            if isinstance(layer, nn.Conv2d):
                _draw_filters(layer.weight, generator)
        _draw_looks_linear([layer.weight for layer in network.embeddings if isinstance(layer, nn.Linear)], generator)
        signal = _reference_examples(generator).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        _standardise_all(network.embeddings, _flatten(_standardise_all(network.features, signal)))
    return {name: weight.detach() for name, weight in network.state_dict().items()}


def _reference_examples(generator: torch.Generator) -> Tensor:
    """(n, 96, 64) noise in the range of log-mel values, from broad to fine: every octave at a strength of its own."""
    n = N_REFERENCE_EXAMPLES
    loudness = torch.randn(n, 1, 1, 1, generator=generator) - 2.0
    examples = loudness.expand(n, 1, 96, 64)
    for size in [(6, 4), (12, 8), (24, 16), (48, 32), (96, 64)]:
        octave = functional.interpolate(torch.randn(n, 1, *size, generator=generator), (96, 64), mode="bilinear")
        examples = examples + torch.rand(n, 1, 1, 1, generator=generator) * octave
    return examples.clamp(math.log(0.01), 3.4).squeeze(1)


def _draw_filters(weight: Tensor, generator: torch.Generator) -> None:
    """Normal numbers; half of a filter's variance is common to its taps: it sees slow and fast changes alike."""
    weight.normal_(generator=generator)
    common = torch.randn(*weight.shape[:2], 1, 1, generator=generator)
    weight.add_(common).mul_(math.sqrt(0.5))


def _draw_looks_linear(weights: list[Tensor], generator: torch.Generator) -> None:
    """Normal numbers, equal at each of the six times of the first layer; each hidden unit comes with its opposite.

    The next layer takes the difference of the two: relu(x) - relu(-x) = x.
    """
    first, second, last = weights
    by_time = first.view(len(first), 6, -1)  # (4096, 6, 2048)
    by_time.copy_(torch.randn(len(first), 1, by_time.shape[2], generator=generator).expand_as(by_time))
    for weight in (second, last):
        weight.normal_(generator=generator)
        one, opposite = weight.chunk(2, dim=1)
        opposite.copy_(-one)
    for weight in (first, second):
        one, opposite = weight.chunk(2, dim=0)
        opposite.copy_(-one)


def _standardise_all(layers: nn.Sequential, signal: Tensor) -> Tensor:
    """Standardise one layer after the other, and return the reference signal as it leaves the last."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            _standardise(layer, signal)
        signal = layer(signal)
    return signal


def _standardise(layer: nn.Conv2d | nn.Linear, signal: Tensor) -> None:
    """Shift and scale each unit of the layer to mean 0 and variance 1 over the signal."""
    bias = layer.get_parameter("bias").zero_()
    response = layer(signal)
    var, mean = torch.var_mean(response.transpose(0, 1).flatten(1).double(), dim=1)
    scale = (1 / var.sqrt()).float()
    layer.weight.mul_(scale.view(-1, *[1] * (layer.weight.dim() - 1)))
    bias.copy_(-mean.float() * scale)
