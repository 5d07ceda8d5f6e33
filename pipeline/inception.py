"""Inception-v3: one vector of 2048 numbers for each frame."""

import math

import torch
from pydantic import NonNegativeInt
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.inception import BasicConv2d, Inception3

from pipeline.device import one_thread
from pipeline.params import StageParams

BATCH_SIZES = {"cpu": 8, "cuda": 512}  # more pictures no longer fit the cache of a CPU
N_REFERENCE_FRAMES = 8
LINEAR_BIAS = 2.0  # standard deviations; 98 % of a unit's values pass its ReLU unchanged


class InceptionParams(StageParams):
    """Section ``inception`` of params.yaml."""

    weights: str
    allow_random: bool
    seed: NonNegativeInt


class Inception(nn.Module):
    """torchvision's Inception-v3 up to pool_3, its batch normalisation folded into the convolutions.

    References:
        Szegedy et al. (2016), Rethinking the Inception architecture for computer vision, CVPR.
    """

    def __init__(self, trunk: Inception3) -> None:
        """Take over a trunk without its classifier."""
        super().__init__()
        self.trunk = trunk

    def forward(self, frames: Tensor) -> Tensor:
        """Return one feature vector a frame.

        Args:
            frames: (n, 299, 299, 3) uint8 RGB.

        Returns:
            (n, 2048) float32, not negative: the mean over the last 8 x 8 map.
        """
        pictures = frames.permute(0, 3, 1, 2).float()  # (n, 3, 299, 299), in memory channels last
        features: Tensor = self.trunk(pictures.div_(127.5).sub_(1.0))  # (n, 2048), from -1..1
        return features


def build(state: dict[str, Tensor]) -> Inception:
    """Return the network with these weights, ready for inference.

    Args:
        state: the weights under torchvision's names, without ``fc`` and ``AuxLogits``.
    """
    with torch.device("meta"):
        trunk = _trunk()
    trunk.load_state_dict(state, assign=True)
    for block in trunk.modules():
        if isinstance(block, BasicConv2d):
            block.conv, block.bn = fuse_conv_bn_eval(block.conv, block.bn), nn.Identity()
    network = Inception(trunk).requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's stub
    return network


def random_state(seed: int) -> dict[str, Tensor]:
    """Return seeded random weights whose features keep what tells one picture from another.

    The statistics of every batch normalisation are measured, layer after layer, on seeded noise pictures of many
    bandwidths, so that each channel has variance 1 over them. Its bias then moves it to the linear side of the ReLU:
    through 47 layers, units centred on the kink would make every difference between two pictures a random one.

    Args:
        seed: any number from 0 up; it fixes every weight, whatever the number of threads.

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


def _trunk() -> Inception3:
    """The network of torchvision without the classifier and its helper; the input is scaled by `Inception`."""
    trunk = Inception3(aux_logits=False, transform_input=False, init_weights=False)
    trunk.fc = nn.Identity()
    return trunk.eval()


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
