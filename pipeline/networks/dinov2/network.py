"""DINOv2's small vision transformer, through timm: one vector of 384 numbers for each picture."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from pipeline.errors import DataError, ParamsError
from pipeline.formats.jpegs import JpegPictures
from pipeline.formats.shards import Rows
from pipeline.networks.dinov2.about import PATCH_SIDE, Dinov2Params

BATCH_SIZES = {"cpu": 8, "cuda": 256}
MODEL = "vit_small_patch14_dinov2"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures in 0..1, by colour


class Dinov2(nn.Module):
    """A vision transformer that learnt from pictures alone, without labels or texts.

    Args:
        trunk: timm's, for pictures of this size.
        size: side in pixels that pictures are resized to.

    References:
        Oquab et al. (2024), DINOv2: learning robust visual features without supervision, TMLR.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, trunk: Any, size: int) -> None:  # noqa: ANN401 - timm has no types
        super().__init__()
        self.trunk, self.size = trunk, size
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, 255 * torch.tensor(values).view(1, 3, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """Return one feature vector a frame.

        Args:
            frames: (n, side, side, 3) uint8 RGB.

        Returns:
            (n, 384) float32, of either sign.

        Raises:
            DataError: the pictures are of another shape or type.
        """
        if frames.dtype != torch.uint8 or frames.dim() != 4 or frames.shape[3] != 3:
            found = f"{frames.dtype} of shape {tuple(frames.shape)}"
            raise DataError(f"DINOv2: {found}; expected uint8 (n, side, side, 3)")
        pictures = frames.permute(0, 3, 1, 2).float()  # (n, 3, side, side)
        resized = interpolate(pictures, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 255)
        tokens: Tensor = self.trunk.forward_features((resized - self.mean) / self.deviation)  # (n, 1 + patches, 384)
        return tokens.select(1, 0)  # the class token, normalised


def build(state: dict[str, Tensor], params: Dinov2Params) -> Dinov2:
    """Return the network with these weights, ready for inference.

    Args:
        state: the weights by name.
        params: section ``dinov2``.

    Raises:
        ParamsError: timm is not installed.
    """
    timm = _timm()
    with torch.device("meta"):
        trunk = timm.create_model(MODEL, pretrained=False, num_classes=0, img_size=params.size)
    n_patches = params.size // PATCH_SIDE
    places = timm.layers.resample_abs_pos_embed(state["pos_embed"], [n_patches, n_patches], num_prefix_tokens=1)
    trunk.load_state_dict(state | {"pos_embed": places}, assign=True)
    return Dinov2(trunk.eval(), params.size).requires_grad_(False)


def rows_of(arrays: Mapping[str, Rows]) -> Rows:
    """Return the pictures (n, side, side, 3) uint8 of what the stage ``frames`` keeps of a clip, decoded when read."""
    return JpegPictures(arrays["jpeg"], arrays["lengths"][:])


def postprocessing(params: Dinov2Params) -> None:
    """Return None: vectors stay as they are."""


def _timm() -> ModuleType:
    """The package timm."""
    try:
        import timm
    except ImportError as error:
        raise ParamsError(f"dinov2: needs timm ({error}); expected it: pip install -e '.[timm]'") from error
    found: ModuleType = timm
    return found
