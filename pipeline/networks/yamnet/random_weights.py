"""Seeded random weights of YAMNet that keep what tells two sounds apart."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.yamnet.about import EXAMPLE_SHAPE
from pipeline.networks.yamnet.network import ConvUnit, Yamnet
from pipeline.settings.device import one_thread

N_REFERENCE_EXAMPLES = 16
LINEAR_BIAS = 2.0  # standard deviations; 98 % of a unit's values pass its ReLU unchanged


def random_state(seed: int) -> dict[str, Tensor]:
    """Return seeded random weights whose features keep what tells one sound from another.

    Each batch normalisation gets the statistics of seeded noise, so that every unit has variance 1 over it, and a
    bias that keeps it on the linear side of its ReLU.

    Args:
        seed: any number from 0 up; it fixes every weight, whatever the number of threads.

    Returns:
        Tensors by name, of the shapes of `published.expected_shapes`.

    References:
        Mishkin & Matas (2016), All you need is a good init, ICLR.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        network = Yamnet().eval()
    network.to_empty(device="cpu")
    with torch.no_grad(), one_thread():
        maps = _reference_examples(generator)
        for unit in network.units:
            if isinstance(unit, ConvUnit) and isinstance(unit.norm, nn.BatchNorm2d):
                unit.conv.weight.normal_(0, 1 / math.sqrt(unit.conv.weight[0].numel()), generator=generator)
                unit.norm.reset_parameters()
                unit.norm.bias.fill_(LINEAR_BIAS)
                var, mean = torch.var_mean(unit.convolved(maps).transpose(0, 1).flatten(1).double(), dim=1)
                unit.norm.get_buffer("running_mean").copy_(mean)
                unit.norm.get_buffer("running_var").copy_(var)
                maps = unit(maps)
    return {name: weight.detach() for name, weight in network.state_dict().items()}


def _reference_examples(generator: torch.Generator) -> Tensor:
    """(n, 1, 96, 64) noise about the loudness of sounds, coarse and fine, each example at strengths of its own."""
    shape, examples = (N_REFERENCE_EXAMPLES, 1), torch.full((N_REFERENCE_EXAMPLES, 1, *EXAMPLE_SHAPE), -2.0)
    for divisor in (96, 16, 4, 1):
        size = (EXAMPLE_SHAPE[0] // divisor, max(1, EXAMPLE_SHAPE[1] // divisor))
        noise = functional.interpolate(torch.randn(*shape, *size, generator=generator), EXAMPLE_SHAPE, mode="bilinear")
        examples += 2 * torch.rand(*shape, 1, 1, generator=generator) * noise
    return examples
