"""Networks that look: at a mouth's film, at a still picture (or a spectrogram), at motion; small, or as published.

The published sizes are torchvision's modules with other stems; the small ones are for a demo on a CPU.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models import resnet18, shufflenet_v2_x1_0
from torchvision.models.video.resnet import BasicBlock, Conv3DSimple, VideoResNet

Size = Literal["small", "published"]
_STEM_PICTURES = 5  # that the stem of the mouth's trunk sees at a time
_DROPOUT = 0.2  # of the temporal blocks
_PUBLISHED_MOTION, _SMALL_MOTION = 512, (16, 32, 32, 32)  # channels
_DILATIONS = {"small": (1, 2), "published": (1, 2, 4, 8)}


class MouthTrunk(nn.Module):
    """A film of a mouth becomes one vector a picture: a 3-D stem, a network a picture, convolutions over time.

    Args:
        size: ``small`` or ``published``.
        width: of the vectors; 512 as published.

    References:
        Martinez et al. (2020), Lipreading using temporal convolutional networks, ICASSP; Gao & Grauman (2021),
        VisualVoice, CVPR.

    Example:
        >>> MouthTrunk("small", 64)(torch.zeros(2, 8, 32, 32)).shape
        torch.Size([2, 64, 8])
    """

    def __init__(self, size: Size, width: int) -> None:
        super().__init__()
        stem = 24 if size == "published" else 16
        self.stem = nn.Sequential(
            nn.Conv2d(_STEM_PICTURES, stem, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(stem),
            nn.PReLU(stem),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.each, n_features = _shufflenet() if size == "published" else _small_pictures(stem)
        widths = [n_features, *[width] * len(_DILATIONS[size])]
        blocks = [_TemporalBlock(widths[k], width, dilation) for k, dilation in enumerate(_DILATIONS[size])]
        self.over_time = nn.Sequential(*blocks)

    def forward(self, film: Tensor) -> Tensor:
        """Return (batch, width, n_pictures) of grey films (batch, n_pictures, height, width)."""
        n_clips, n_pictures = film.shape[:2]
        vectors = self.each(self.stem(_with_neighbours(film)))  # (batch * n_pictures, n_features)
        by_time = vectors.reshape(n_clips, n_pictures, -1).transpose(1, 2)
        vectors_in_time: Tensor = self.over_time(by_time)
        return vectors_in_time


class StillTrunk(nn.Module):
    """A picture of any number of channels becomes one vector: a ResNet-18, its largest values over space, a layer.

    Args:
        size: ``small`` or ``published``.
        n_channels: 3 of a picture, 2 of a complex spectrogram.
        width: of the vector; 128 as published.

    References:
        He et al. (2016), Deep residual learning for image recognition, CVPR.

    Example:
        >>> StillTrunk("small", 3, 32)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 32])
    """

    def __init__(self, size: Size, n_channels: int, width: int) -> None:
        super().__init__()
        if size == "published":
            net = resnet18(weights=None)
            net.conv1 = nn.Conv2d(n_channels, 64, 7, stride=2, padding=3, bias=False)
            self.maps = nn.Sequential(*list(net.children())[:-2])
            self.last = nn.Linear(512, width)
        else:
            self.maps = nn.Sequential(_halving(n_channels, 16), _halving(16, 32), _halving(32, 64))
            self.last = nn.Linear(64, width)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (batch, width) of pictures (batch, n_channels, height, width)."""
        vectors: Tensor = self.last(self.maps(pictures).amax(dim=(2, 3)))
        return vectors


class MotionTrunk(nn.Module):
    """A film becomes maps in time: a 3-D ResNet-18 that keeps a quarter of the pictures; the small one keeps all.

    Args:
        size: ``small`` or ``published``, which makes 512 channels; small makes 32.

    References:
        Tran et al. (2018), A closer look at spatiotemporal convolutions for action recognition, CVPR; Zhu & Rahtu
        (2022), Visually guided sound source separation and localization using self-supervised motion representations,
        WACV.

    Example:
        >>> MotionTrunk("small")(torch.zeros(1, 3, 16, 32, 32)).shape
        torch.Size([1, 32, 16, 8, 8])
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.width = _PUBLISHED_MOTION if size == "published" else _SMALL_MOTION[-1]
        self.maps = _video_resnet() if size == "published" else _small_video()

    def forward(self, films: Tensor) -> Tensor:
        """Return (batch, width, n_times, rows, columns) of films (batch, 3, n_pictures, height, width)."""
        maps: Tensor = self.maps(films)
        return maps


def count_weights(module: nn.Module) -> int:
    """Return how many numbers a module learns."""
    return sum(weights.numel() for weights in module.parameters())


def _with_neighbours(film: Tensor) -> Tensor:
    """Each picture with those beside it as channels, black beyond the ends: (batch * n_pictures, 5, height, width).

    A convolution of these is one in three dimensions over 5 pictures, in half of the time on a CPU.
    """
    beside = _STEM_PICTURES // 2
    padded = nn.functional.pad(film, (0, 0, 0, 0, beside, beside))
    pictures = padded.unfold(1, _STEM_PICTURES, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)
    return pictures.contiguous(memory_format=torch.channels_last)


def _shufflenet() -> tuple[nn.Module, int]:
    """The stages of ShuffleNetV2 behind a stem of 24 channels, and the length of its vectors."""
    net = shufflenet_v2_x1_0(weights=None)
    stages = nn.Sequential(net.stage2, net.stage3, net.stage4, net.conv5, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return stages, 1024


def _small_pictures(stem: int) -> tuple[nn.Module, int]:
    """A few convolutions for the maps of one picture, (8, 8) of a picture of 32 x 32, and the length of its vectors."""
    layers = [_halving(stem, 32), _halving(32, 64), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers), 256


def _halving(n_inputs: int, width: int) -> nn.Module:
    """A convolution that halves height and width."""
    convolution = nn.Conv2d(n_inputs, width, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())


class _TemporalBlock(nn.Module):
    """Two dilated convolutions over time beside a short cut; both ends are padded alike, so it is not causal."""

    def __init__(self, n_inputs: int, width: int, dilation: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for k in range(2):
            convolution = nn.Conv1d(width if k else n_inputs, width, 3, padding=dilation, dilation=dilation)
            layers += [convolution, nn.BatchNorm1d(width), nn.PReLU(width), nn.Dropout(_DROPOUT)]
        self.layers = nn.Sequential(*layers)
        self.short_cut = nn.Identity() if n_inputs == width else nn.Conv1d(n_inputs, width, 1)
        self.last = nn.PReLU(width)

    def forward(self, vectors: Tensor) -> Tensor:
        """The vectors (batch, width, n_times) of (batch, n_inputs, n_times)."""
        added: Tensor = self.last(self.layers(vectors) + self.short_cut(vectors))
        return added


def _video_resnet() -> nn.Module:
    """Torchvision's 3-D ResNet-18 with a deeper stem, and the strides that leave 12 x 14 x 14 of 48 x 224 x 224."""
    stem = nn.Sequential(
        nn.Conv3d(3, 64, 7, stride=(1, 2, 2), padding=3, bias=False),
        nn.BatchNorm3d(64),
        nn.ReLU(),
        nn.MaxPool3d(3, stride=2, padding=1),
    )
    net = VideoResNet(BasicBlock, [Conv3DSimple] * 4, [2, 2, 2, 2], lambda: stem)
    _set_stride(net.layer3[0], (1, 2, 2))
    _set_stride(net.layer4[0], (1, 1, 1))
    return nn.Sequential(net.stem, net.layer1, net.layer2, net.layer3, net.layer4)


def _set_stride(block: nn.Module, stride: tuple[int, int, int]) -> None:
    """Give the first convolution of a residual block, and its short cut, another stride."""
    for convolution in (block.conv1[0], block.downsample[0]):  # type: ignore[index]  # Sequentials, by their makers
        convolution.stride = stride  # type: ignore[method-assign]  # Module says that it is one


def _small_video() -> nn.Module:
    """Four 3-D convolutions that keep all pictures and a quarter of their height and width."""
    layers: list[nn.Module] = []
    for n_inputs, width, stride in zip((3, *_SMALL_MOTION), _SMALL_MOTION, (2, 2, 1, 1), strict=False):
        convolution = nn.Conv3d(n_inputs, width, 3, (1, stride, stride), padding=1, bias=False)
        layers += [convolution, nn.BatchNorm3d(width), nn.ReLU()]
    return nn.Sequential(*layers)


def normalised_mouth(film: Tensor) -> Tensor:
    """Return grey films in [0, 255], (batch, n_pictures, height, width), as the mouth's trunk takes them."""
    return (film / 255 - 0.421) / 0.165


def normalised_picture(pictures: Tensor) -> Tensor:
    """Return pictures uint8 (batch, height, width, 3) as the trunk of stills takes them, (batch, 3, height, width)."""
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    scaled = (pictures / 255 - mean.to(pictures.device)) / spread.to(pictures.device)
    return scaled.permute(0, 3, 1, 2)
