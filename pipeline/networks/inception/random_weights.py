"""Seeded random weights of Inception-v3 that keep what tells two pictures apart."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.inception import BasicConv2d

from pipeline.networks.inception.network import _trunk
from pipeline.settings.device import one_thread

N_REFERENCE_FRAMES = 8


LINEAR_BIAS = 2.0  # standard deviations; 98 % of a unit's values pass its ReLU unchanged


def random_state(seed: int) -> dict[str, Tensor]:
    """Return seeded random weights whose features keep what tells one picture from another.

    The statistics of every batch normalisation are measured, layer after layer, on seeded noise pictures of many
    bandwidths, so that each channel has variance 1 over them. Its bias then moves it to the linear side of the ReLU:
    through 47 layers, units centred on the kink would make every difference between two pictures a random one.

    Args:
        seed: any number from 0 up; it fixes every weight, whatever the number of threads.

    Returns:
        Tensors by name, in the shapes of torchvision.

    References:
        Mishkin & Matas (2016), All you need is a good init, ICLR.
        Yang et al. (2019), A mean field theory of batch normalization, ICLR.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        trunk = _trunk()
    trunk.to_empty(device="cpu")
    for block in trunk.modules():
        if isinstance(block, BasicConv2d):
            block.conv.weight.data.normal_(0, 1 / math.sqrt(block.conv.weight[0].numel()), generator=generator)
            block.bn.reset_parameters()
            block.bn.bias.data.fill_(LINEAR_BIAS)
            block.bn.register_forward_pre_hook(_measure)
    with torch.no_grad(), one_thread():
        trunk(_reference_pictures(generator))
    return {name: weight.detach() for name, weight in trunk.state_dict().items()}


def _measure(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Make what is about to enter a batch normalisation the statistics of that layer."""
    var, mean = torch.var_mean(inputs[0].transpose(0, 1).flatten(1).double(), dim=1)
    norm.get_buffer("running_mean").copy_(mean)
    norm.get_buffer("running_var").copy_(var)


def _reference_pictures(generator: torch.Generator) -> Tensor:
    """(n, 3, 299, 299) noise in -1..1, from one colour to the finest grain: every octave at a strength of its own."""
    n = N_REFERENCE_FRAMES
    pictures = torch.zeros(n, 3, 299, 299)
    for size in (1, 4, 16, 64, 256):
        octave = functional.interpolate(torch.randn(n, 3, size, size, generator=generator), (299, 299), mode="bilinear")
        pictures += torch.rand(n, 1, 1, 1, generator=generator) * octave
    return pictures.tanh()
