"""VGGish: one vector of 128 numbers for each log-mel example of 0.96 s."""

from typing import Literal

import torch
from pydantic import NonNegativeInt
from torch import Tensor, nn

from pipeline.settings.params import StageParams

BATCH_SIZES = {"cpu": 32, "cuda": 512}  # large: the first linear layer streams 200 MB of weights a batch


class VggishParams(StageParams):
    """Section ``vggish`` of params.yaml."""

    weights: str
    allow_random: bool
    seed: NonNegativeInt
    final_relu: bool
    postprocess: Literal["none", "pca", "pca_uint8"]


class Vggish(nn.Module):
    """The VGGish network; its layers have torchvggish's names, so that either's state dict loads into the other.

    References:
        Hershey et al. (2017), CNN architectures for large-scale audio classification, ICASSP.
    """

    def __init__(self, final_relu: bool) -> None:
        """Lay out the layers.

        Args:
            final_relu: end with a ReLU, as the published code did until August 2020 and torchvggish does.
        """
        super().__init__()
        self.features = nn.Sequential(
            *_conv(1, 64), _pool(),
            *_conv(64, 128), _pool(),
            *_conv(128, 256), *_conv(256, 256), _pool(),
            *_conv(256, 512), *_conv(512, 512), _pool(),
        )  # fmt: skip  # one line a block
        self.embeddings = nn.Sequential(
            *_linear(12288, 4096), *_linear(4096, 4096), *_linear(4096, 128)[: 1 + final_relu]
        )

    def forward(self, examples: Tensor) -> Tensor:
        """Return one embedding a log-mel example.

        Args:
            examples: (n, 96, 64) float32 log-mel magnitudes, time before bands.

        Returns:
            (n, 128) float32; not negative when the network ends with a ReLU.
        """
        images = examples.unsqueeze(1).contiguous(memory_format=torch.channels_last)  # (n, 1, 96, 64)
        maps = self.features(images)  # (n, 512, 6, 4)
        embeddings: Tensor = self.embeddings(_flatten(maps))  # (n, 128)
        return embeddings


def build(state: dict[str, Tensor], final_relu: bool) -> Vggish:
    """Return the network with these weights, ready for inference.

    Args:
        state: the weights under torchvggish's names.
        final_relu: end with a ReLU.
    """
    with torch.device("meta"):
        network = Vggish(final_relu)
    network.load_state_dict(state, assign=True)
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's stub
    return network


def _conv(n_in: int, n_out: int) -> list[nn.Module]:
    """A 3 x 3 convolution that keeps the picture's size, and its ReLU."""
    return [nn.Conv2d(n_in, n_out, kernel_size=3, padding=1), nn.ReLU(inplace=True)]


def _pool() -> nn.Module:
    """Halve time and bands."""
    return nn.MaxPool2d(2)


def _linear(n_in: int, n_out: int) -> list[nn.Module]:
    """A fully connected layer and its ReLU."""
    return [nn.Linear(n_in, n_out), nn.ReLU(inplace=True)]


def _flatten(maps: Tensor) -> Tensor:
    """(n, 512, 6, 4) to (n, 12288), the channel running fastest: TensorFlow's order, in which the weights are kept."""
    return maps.permute(0, 2, 3, 1).flatten(1)
