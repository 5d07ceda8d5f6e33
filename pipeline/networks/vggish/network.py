"""VGGish: one vector of 128 numbers for each log-mel example of 0.96 s."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.errors import DataError
from pipeline.formats.shards import Rows
from pipeline.networks.vggish.about import EXAMPLE_SHAPE, VggishParams
from pipeline.networks.vggish.audioset_pca import load_vggish_pca, pca_file, postprocess

BATCH_SIZES = {"cpu": 32, "cuda": 512}  # large: the first linear layer streams 200 MB of weights a batch


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

        Raises:
            DataError: the examples are of another shape.
        """
        if examples.shape[1:] != EXAMPLE_SHAPE:
            raise DataError(f"VGGish: examples of shape {tuple(examples.shape)}; expected (n, *{EXAMPLE_SHAPE})")
        images = examples.unsqueeze(1).contiguous(memory_format=torch.channels_last)  # (n, 1, 96, 64)
        maps = self.features(images)  # (n, 512, 6, 4)
        embeddings: Tensor = self.embeddings(_flatten(maps))  # (n, 128)
        return embeddings


def build(state: dict[str, Tensor], params: VggishParams) -> Vggish:
    """Return the network with these weights, ready for inference.

    Args:
        state: the weights under torchvggish's names, by name.
        params: section ``vggish``.
    """
    with torch.device("meta"):
        network = Vggish(params.final_relu)
    network.load_state_dict(state, assign=True)
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's stub
    return network


def rows_of(arrays: Mapping[str, Rows]) -> Rows:
    """Return the examples (n, 96, 64) float32 among what the stage ``logmel`` keeps of a clip."""
    return arrays["examples"]


def postprocessing(params: VggishParams) -> Callable[[NDArray[np.float32]], NDArray[Any]] | None:
    """Return what AudioSet does to the embeddings (n, 128) of a clip, or None where they stay as they are.

    Raises:
        DataError: the file of AudioSet's PCA is missing or damaged.
    """
    if params.postprocess == "none":
        return None
    return partial(postprocess, pca=load_vggish_pca(pca_file()), quantise=params.postprocess == "pca_uint8")


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
