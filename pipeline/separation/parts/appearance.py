"""The appearance stage of AMnet: what a picture shows says which of a sound's maps make up its mask.

Picture and sound become as many numbers and maps as there are kinds of things, which nobody names: a mask's logit is
the sum of the maps, each times how much the picture shows of its kind.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import mobilenet_v2, resnet18
from torchvision.models.segmentation.deeplabv3 import ASPP

from pipeline.separation.parts.trunks import Size
from pipeline.separation.parts.unet import UNet, visualvoice_steps

_SPREAD = 2.0  # standard deviation of what a picture shows of a kind, before the sigmoid, at first
_ASPP_RATES, _ASPP_WIDTH = [6, 12, 18], 256
_LOW_WIDTH, _LOW_REDUCED, _HIGH_WIDTH = 24, 48, 320  # channels of MobileNetV2 at a quarter and a sixteenth of the size
_LOW_LAYERS = 4  # layers of MobileNetV2 up to a quarter of the size


class SeenKinds(nn.Module):
    """A picture becomes how much it shows of each kind of thing: a ResNet-18, its largest values over space.

    The small one, whose weights are random at first, is spread over the pictures of a batch: else all show about as
    much of each kind, and there is little to learn from.

    Args:
        size: ``small`` or ``published``, whose last layers are dilated in place of strided.
        n_kinds: the length of the vector.

    Example:
        >>> SeenKinds("small", 16)(torch.zeros(2, 3, 24, 24)).shape
        torch.Size([2, 16])
    """

    def __init__(self, size: Size, n_kinds: int) -> None:
        super().__init__()
        is_small = size == "small"
        self.maps = _small_pictures(n_kinds) if is_small else _dilated_resnet(n_kinds)
        self.spread = _spread(n_kinds) if is_small else nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (batch, n_kinds) in [0, 1] of pictures (batch, 3, height, width)."""
        return torch.sigmoid(self.spread(self.maps(pictures).amax(dim=(2, 3))))


class HeardMaps(nn.Module):
    """A spectrogram becomes a map for each kind of thing: a DeepLabV3+ on MobileNetV2; a U-Net if small.

    Args:
        size: ``small`` or ``published``.
        n_kinds: how many maps.
        ngf: channels of the small one's first step.
        n_rows: of the spectrogram.

    References:
        Chen et al. (2018), Encoder-decoder with atrous separable convolution for semantic image segmentation, ECCV.

    Example:
        >>> HeardMaps("small", 16, 4, 32)(torch.zeros(2, 1, 32, 16)).shape
        torch.Size([2, 16, 32, 16])
    """

    def __init__(self, size: Size, n_kinds: int, ngf: int, n_rows: int) -> None:
        super().__init__()
        small = UNet(1, n_kinds, visualvoice_steps(ngf, n_rows)) if size == "small" else None
        self.layers: nn.Module = small or _DeepLab(n_kinds)

    def forward(self, spectrum: Tensor) -> Tensor:
        """Return (batch, n_kinds, n_rows, n_columns) of (batch, 1, n_rows, n_columns)."""
        maps: Tensor = self.layers(spectrum)
        return maps


class Appearance(nn.Module):
    """The stage: a logit for each bin and source.

    Args:
        size: ``small`` or ``published``.
        n_kinds: of things.
        ngf: channels of the small one's first step.
        n_rows: of the spectrogram.
    """

    def __init__(self, size: Size, n_kinds: int, ngf: int, n_rows: int) -> None:
        super().__init__()
        self.seen = SeenKinds(size, n_kinds)
        self.heard = HeardMaps(size, n_kinds, ngf, n_rows)

    def forward(self, spectrum: Tensor, pictures: Tensor) -> Tensor:
        """Return logits (batch, n_sources, n_rows, n_columns).

        Args:
            spectrum: of mixtures, (batch, n_rows, n_columns).
            pictures: of the sources, (batch, n_sources, 3, height, width).
        """
        kinds = self.seen(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])  # (batch, n_sources, n_kinds)
        return torch.einsum("bsk,bkrc->bsrc", kinds, self.heard(spectrum[:, None]))


def _small_pictures(n_kinds: int) -> nn.Module:
    """Three convolutions that halve the picture, and one that makes the kinds."""
    layers: list[nn.Module] = []
    for n_inputs, width in ((3, 16), (16, 32), (32, 32)):
        convolution = nn.Conv2d(n_inputs, width, 3, stride=2, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(32, n_kinds, 3, padding=1))


def _spread(n_kinds: int) -> nn.Module:
    """A batch norm of a gain of its own."""
    norm = nn.BatchNorm1d(n_kinds)
    nn.init.constant_(norm.weight, _SPREAD)
    return norm


def _dilated_resnet(n_kinds: int) -> nn.Module:
    """Torchvision's ResNet-18 whose last layers are dilated in place of strided, (14, 14) of (224, 224)."""
    net = resnet18(weights=None)
    for module in net.layer4.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                module.dilation = module.padding = (2, 2)
    return nn.Sequential(*list(net.children())[:-2], nn.Conv2d(512, n_kinds, 3, padding=1))


class _DeepLab(nn.Module):
    """MobileNetV2 to a sixteenth of the size, dilated there; its maps meet those of a quarter of the size."""

    def __init__(self, n_kinds: int) -> None:
        super().__init__()
        features = mobilenet_v2(weights=None).features[:-1]
        features[0][0] = nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False)
        _dilate(features[14:])
        self.low, self.high = features[:_LOW_LAYERS], features[_LOW_LAYERS:]
        self.pyramid = ASPP(_HIGH_WIDTH, _ASPP_RATES, _ASPP_WIDTH)
        self.reduced = nn.Sequential(nn.Conv2d(_LOW_WIDTH, _LOW_REDUCED, 1, bias=False), *_normed(_LOW_REDUCED))
        first = nn.Conv2d(_ASPP_WIDTH + _LOW_REDUCED, _ASPP_WIDTH, 3, padding=1, bias=False)
        second = nn.Conv2d(_ASPP_WIDTH, _ASPP_WIDTH, 3, padding=1, bias=False)
        self.joined = nn.Sequential(first, *_normed(_ASPP_WIDTH))
        self.last = nn.Sequential(second, *_normed(_ASPP_WIDTH), nn.Conv2d(_ASPP_WIDTH, n_kinds, 1))

    def forward(self, spectrum: Tensor) -> Tensor:
        """Maps (batch, n_kinds, n_rows, n_columns) of (batch, 1, n_rows, n_columns)."""
        low = self.low(spectrum)
        high = _stretched(self.pyramid(self.high(low)), low.shape[-2:])
        joined = self.joined(torch.cat([high, self.reduced(low)], dim=1))
        maps: Tensor = self.last(_stretched(joined, spectrum.shape[-2:]))
        return maps


def _dilate(blocks: nn.Module) -> None:
    """Take the stride of blocks away, and put twice the reach in its place."""
    for module in blocks.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            module.stride, module.dilation, module.padding = (1, 1), (2, 2), (2, 2)


def _normed(width: int) -> tuple[nn.Module, nn.Module]:
    """Batch norm and ReLU."""
    return nn.BatchNorm2d(width), nn.ReLU()


def _stretched(maps: Tensor, size: torch.Size) -> Tensor:
    """Maps at another size."""
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)
