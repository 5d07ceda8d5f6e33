"""Inception-v3: one vector of 2048 numbers for each frame."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.inception import BasicConv2d, Inception3

from pipeline.errors import DataError
from pipeline.formats.jpegs import JpegPictures
from pipeline.formats.shards import Rows
from pipeline.networks.inception.about import MIN_PICTURE_SIDE, InceptionParams

BATCH_SIZES = {"cpu": 8, "cuda": 512}  # more pictures no longer fit the cache of a CPU


class Inception(nn.Module):
    """torchvision's Inception-v3 up to pool_3, its batch normalisation folded into the convolutions.

    Args:
        trunk: without its classifier.
        params: section ``inception``.

    References:
        Szegedy et al. (2016), Rethinking the Inception architecture for computer vision, CVPR.
    """

    def __init__(self, trunk: Inception3, params: InceptionParams) -> None:
        super().__init__()
        self.trunk = trunk
        self.unit, self.black = (127.5, -1.0) if params.input_range == "-1..1" else (255.0, 0.0)
        if params.average_pool == "tensorflow":
            for name, block in trunk.named_modules():
                if name.endswith("branch_pool"):
                    block.register_forward_pre_hook(_without_padding)

    def forward(self, frames: Tensor) -> Tensor:
        """Return one feature vector a frame.

        Args:
            frames: (n, 299, 299, 3) uint8 RGB; other sides from 75 on will do.

        Returns:
            (n, 2048) float32, not negative: the mean over the last 8 x 8 map.

        Raises:
            DataError: the pictures are of another shape or type, or too small.
        """
        is_rgb = frames.dtype == torch.uint8 and frames.dim() == 4 and frames.shape[3] == 3
        if not is_rgb or min(frames.shape[1:3]) < MIN_PICTURE_SIDE:
            found = f"{frames.dtype} of shape {tuple(frames.shape)}"
            raise DataError(
                f"Inception-v3: {found}; expected uint8 (n, side, side, 3), side {MIN_PICTURE_SIDE} or more"
            )
        pictures = frames.permute(0, 3, 1, 2).float()  # (n, 3, 299, 299), in memory channels last
        features: Tensor = self.trunk(pictures.div_(self.unit).add_(self.black))  # (n, 2048)
        return features


def build(state: dict[str, Tensor], params: InceptionParams) -> Inception:
    """Return the network with these weights, ready for inference.

    Args:
        state: the weights under torchvision's names, by name, without ``fc`` and ``AuxLogits``.
        params: section ``inception``.
    """
    with torch.device("meta"):
        trunk = _trunk()
    trunk.load_state_dict(state, assign=True)
    for block in trunk.modules():
        if isinstance(block, BasicConv2d):
            block.conv, block.bn = fuse_conv_bn_eval(block.conv, block.bn), nn.Identity()
    network = Inception(trunk, params).requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's stub
    return network


def rows_of(arrays: Mapping[str, Rows]) -> Rows:
    """Return the pictures (n, side, side, 3) uint8 of what the stage ``frames`` keeps of a clip, decoded when read."""
    return JpegPictures(arrays["jpeg"], arrays["lengths"][:])


def postprocessing(params: InceptionParams) -> None:
    """Return None: vectors stay as they are."""


def _without_padding(block: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Means over 3 x 3 places (n, c, h, w), padding counted, as means over the places within the map."""
    (means,) = inputs
    return means / avg_pool2d(torch.ones_like(means[:1, :1]), kernel_size=3, stride=1, padding=1)


def _trunk() -> Inception3:
    """The network of torchvision without the classifier and its helper; the input is scaled by `Inception`."""
    trunk = Inception3(aux_logits=False, transform_input=False, init_weights=False)
    trunk.fc = nn.Identity()
    return trunk.eval()
