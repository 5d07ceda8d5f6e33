"""A U-Net over spectrograms, written as a list of its steps down; what happens at its bottom is the caller's."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

_SLOPE = 0.2  # of the leaky ReLU on the way down
_SPREAD = 0.02  # of the initial weights

AtBottom = Callable[[Tensor], Tensor]


class UNetStep(NamedTuple):
    """One step down, which the way up mirrors.

    Attributes:
        width: channels that it makes.
        halves: ``both``: a strided convolution halves rows and columns; ``rows``: two convolutions, then the rows are
            pooled by two and the columns stay.
    """

    width: int
    halves: Literal["both", "rows"]


def visualvoice_steps(width: int, n_rows: int) -> list[UNetStep]:
    """Return the steps that pool a spectrogram to one row and a quarter of its columns.

    Args:
        width: of the first step, 64 as published.
        n_rows: of the spectrogram, a power of two from 8.

    References:
        Gao & Grauman (2021), VisualVoice: audio-visual speech separation with cross-modal consistency, CVPR.

    Example:
        >>> [step.width for step in visualvoice_steps(64, 256)]
        [64, 128, 256, 512, 512, 512, 512, 512]
    """
    n_pools = n_rows.bit_length() - 3
    widths = [min(width << k, 8 * width) for k in range(2 + n_pools)]
    return [UNetStep(step, "both" if k < 2 else "rows") for k, step in enumerate(widths)]


class UNet(nn.Module):
    """A U-Net whose every step up sees the step down of its size.

    Args:
        n_inputs: channels of the input.
        n_outputs: channels of the output, which no batch norm and no activation follows.
        steps: the way down.
        bottom_width: channels of what ``at_bottom`` gives; None: those of the last step.

    Example:
        >>> net = UNet(2, 4, visualvoice_steps(4, 32))
        >>> net(torch.zeros(1, 2, 32, 16)).shape, net.down(torch.zeros(1, 2, 32, 16))[-1].shape
        (torch.Size([1, 4, 32, 16]), torch.Size([1, 32, 1, 4]))
    """

    def __init__(
        self, n_inputs: int, n_outputs: int, steps: Sequence[UNetStep], bottom_width: int | None = None
    ) -> None:
        super().__init__()
        widths = [n_inputs, *(step.width for step in steps)]
        self.downs = nn.ModuleList(_down(widths[k], step) for k, step in enumerate(steps))
        ups = []
        for k in reversed(range(len(steps))):
            is_last = k == len(steps) - 1
            below = (bottom_width or steps[k].width) if is_last else 2 * steps[k].width
            ups.append(_up(below, n_outputs if k == 0 else widths[k], steps[k], is_plain=k == 0))
        self.ups = nn.ModuleList(ups)
        self.apply(_initialise)

    def forward(self, spectrum: Tensor, at_bottom: AtBottom | None = None) -> Tensor:
        """Return (batch, n_outputs, n_rows, n_columns) of (batch, n_inputs, n_rows, n_columns)."""
        levels = self.down(spectrum)
        return self.up(levels, at_bottom(levels[-1]) if at_bottom else levels[-1])

    @property
    def last(self) -> nn.Module:
        """The layer whose output is the network's."""
        return self.ups[-1].get_submodule("0")

    def down(self, spectrum: Tensor) -> list[Tensor]:
        """Return what each step down makes of (batch, n_inputs, n_rows, n_columns)."""
        levels = []
        for step in self.downs:
            spectrum = step(spectrum)
            levels.append(spectrum)
        return levels

    def up(self, levels: Sequence[Tensor], bottom: Tensor) -> Tensor:
        """Return the output of the levels of ``down`` and what takes the place of the lowest, (batch, width, ...)."""
        ways = zip(self.ups, [*reversed(levels[:-1]), None], strict=True)
        for step, level in ways:
            bottom = step(bottom)
            if level is not None:
                bottom = torch.cat([bottom, level], dim=1)
        return bottom


def _down(n_inputs: int, step: UNetStep) -> nn.Module:
    """One step down."""
    if step.halves == "both":
        convolution = nn.Conv2d(n_inputs, step.width, 4, stride=2, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(step.width), nn.LeakyReLU(_SLOPE))
    first, second = _same_size(n_inputs, step.width), _same_size(step.width, step.width)
    norms = [nn.BatchNorm2d(step.width) for _ in range(2)]
    return nn.Sequential(
        first, norms[0], nn.LeakyReLU(_SLOPE), second, norms[1], nn.LeakyReLU(_SLOPE), nn.MaxPool2d((2, 1))
    )


def _up(n_inputs: int, width: int, step: UNetStep, *, is_plain: bool) -> nn.Module:
    """The step up that mirrors a step down; the last one is plain: a convolution and nothing behind it."""
    layers: list[nn.Module]
    if step.halves == "both":
        layers = [nn.ConvTranspose2d(n_inputs, width, 4, stride=2, padding=1, bias=is_plain)]
    else:
        layers = [nn.Upsample(scale_factor=(2.0, 1.0)), _same_size(n_inputs, width)]
    return nn.Sequential(*layers) if is_plain else nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU())


def _same_size(n_inputs: int, width: int) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps rows and columns."""
    return nn.Conv2d(n_inputs, width, 3, padding=1, bias=False)


def _initialise(module: nn.Module) -> None:
    """Small random weights, gains about 1."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, _SPREAD)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, _SPREAD)
