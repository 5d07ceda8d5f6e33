"""The motion stage of AMnet: what moves says which residues belong to another source, and they go from one to another.

For two sources i and j, a U-Net looks at the estimate of i and, at its bottom, at how both or j alone move: what of i's
estimate belongs to j. It is taken from i and given to j, so that what all sources gain is nothing.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.separation.parts.unet import UNet, visualvoice_steps

Fusion = Literal["aligned", "attention"]
_WIDTH, _HEADS = 64, 4  # of the attention
_LONGEST_SECONDS = 20.0  # of the wave lengths of positions, twice as long as a window


class Residues(nn.Module):
    """What of each source's estimate belongs to each other source.

    Args:
        fusion: of sound and motion: ``aligned``: the motion of both at the time of each column; ``attention``: as
            published, the sound looks for the motion of the other.
        ngf: channels of the U-Net's first step.
        n_rows: of the spectrogram.
        motion_width: of what is seen of a time.
    """

    def __init__(self, fusion: Fusion, ngf: int, n_rows: int, motion_width: int) -> None:
        super().__init__()
        steps = visualvoice_steps(ngf, n_rows)
        width = steps[-1].width
        self.fusion: nn.Module = (AlignedFusion if fusion == "aligned" else AttentionFusion)(width, motion_width)
        self.unet = UNet(1, 1, steps)

    def forward(self, estimates: Tensor, motion: Tensor, seconds: float) -> Tensor:
        """Return logits (batch, n_sources, n_sources, n_rows, n_columns): [:, i, j] of what is j's in i.

        Where i is j they are 0.

        Args:
            estimates: (batch, n_sources, n_rows, n_columns), magnitudes in some scale.
            motion: (batch, n_sources, n_times, motion_width), evenly over the window.
            seconds: length of the window.
        """
        n_batch, n_sources = estimates.shape[:2]
        levels = self.unet.down(estimates.flatten(0, 1)[:, None])
        first, second = _pairs(n_sources, estimates.device)
        rows = torch.arange(n_batch, device=estimates.device)[:, None] * n_sources
        own, other = (rows + first).flatten(), (rows + second).flatten()
        moved = motion.flatten(0, 1)
        bottom = self.fusion(levels[-1][own], moved[own], moved[other], seconds)
        found = self.unet.up([level[own] for level in levels], bottom)[:, 0]
        residues = found.new_zeros(n_batch, n_sources, n_sources, *found.shape[1:])
        residues[:, first, second] = found.reshape(n_batch, -1, *found.shape[1:])
        return residues


def reallocated(logits: Tensor, residues: Tensor) -> Tensor:
    """Return logits (batch, n_sources, ...) to which each source's residues in others are added, others' in it not.

    Args:
        logits: (batch, n_sources, n_rows, n_columns).
        residues: (batch, n_sources, n_sources, n_rows, n_columns), [:, i, j] of what is j's in i.

    References:
        Zhu & Rahtu (2022), WACV; the opponent filter is that of Zhu & Rahtu (2020), Visually guided sound source
        separation using cascaded opponent filter network, ACCV.

    Example:
        >>> moved = reallocated(torch.zeros(1, 2, 1, 1), torch.tensor([[[[[0.0]], [[2.0]]], [[[3.0]], [[0.0]]]]]))
        >>> moved.flatten()
        tensor([ 1., -1.])
    """
    return logits + residues.sum(dim=1) - residues.sum(dim=2)


class AlignedFusion(nn.Module):
    """The motion of both sources at the time of every column, beside the sound of that column.

    Args:
        width: channels of the sound.
        motion_width: of the motion.
    """

    def __init__(self, width: int, motion_width: int) -> None:
        super().__init__()
        self.joined = nn.Sequential(
            nn.Conv2d(width + 2 * motion_width, width, (1, 3), padding=(0, 1), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )

    def forward(self, sound: Tensor, own: Tensor, other: Tensor, seconds: float) -> Tensor:
        """Return (n, width, 1, n_columns) of sound of that shape and motion (n, n_times, motion_width) of both."""
        seen = torch.cat([own, other], dim=2).transpose(1, 2)
        fitted = nn.functional.interpolate(seen, sound.shape[-1], mode="linear", align_corners=False)
        joined: Tensor = self.joined(torch.cat([sound, fitted[:, :, None]], dim=1))
        return joined


class AttentionFusion(nn.Module):
    """As published: one layer of a transformer looks at the other one's motion, one looks with the sound into it.

    The paper gives no widths. Columns are the sound's tokens, and both sequences know the seconds of their tokens.

    Args:
        width: channels of the sound.
        motion_width: of the motion.

    References:
        Vaswani et al. (2017), Attention is all you need, NeurIPS.
    """

    def __init__(self, width: int, motion_width: int) -> None:
        super().__init__()
        self.of_motion, self.of_sound = nn.Linear(motion_width, _WIDTH), nn.Linear(width, _WIDTH)
        self.encoder = nn.TransformerEncoderLayer(_WIDTH, _HEADS, 2 * _WIDTH, 0.0, batch_first=True)
        self.decoder = nn.TransformerDecoderLayer(_WIDTH, _HEADS, 2 * _WIDTH, 0.0, batch_first=True)
        self.last = nn.Linear(_WIDTH, width)

    def forward(self, sound: Tensor, own: Tensor, other: Tensor, seconds: float) -> Tensor:
        """Return (n, width, 1, n_columns) of sound of that shape and the other's motion (n, n_times, motion_width)."""
        columns = sound[:, :, 0].transpose(1, 2)
        seen = self.encoder(self.of_motion(other) + positions(other.shape[1], seconds, _WIDTH).to(other))
        asked = self.of_sound(columns) + positions(columns.shape[1], seconds, _WIDTH).to(columns)
        found: Tensor = self.last(self.decoder(asked, seen))
        return found.transpose(1, 2)[:, :, None]


def positions(n_times: int, seconds: float, width: int) -> Tensor:
    """Return sines and cosines (n_times, width) of the times at the middle of equal parts of a window.

    Args:
        n_times: how many parts.
        seconds: length of the window.
        width: an even number; the wave lengths rise from a twentieth of a second on.
    """
    times = (torch.arange(n_times) + 0.5) * (seconds / n_times)
    rates = 2 * math.pi / torch.logspace(math.log10(_LONGEST_SECONDS / 400), math.log10(_LONGEST_SECONDS), width // 2)
    angles = times[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _pairs(n_sources: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """All ordered pairs of different sources, as the first ones and the second ones."""
    pairs = [(i, j) for i in range(n_sources) for j in range(n_sources) if i != j]
    first, second = torch.tensor(pairs, device=device).T
    return first, second
