"""AME, the audio-motion embedding: a film and its sound become numbers that agree where they are of one time.

Learnt without labels, from films with their own sound and with the sound of another time of the same clip. What it sees
is where something moves as it sounds, which is used to separate, and shown as a heat map.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.separation.heard import HeardClips
from pipeline.separation.mixtures import MOST_DRAWS
from pipeline.separation.parts.learning import on_device_of
from pipeline.separation.parts.losses import shift_triplets
from pipeline.separation.parts.trunks import MotionTrunk, Size, normalised_picture

_LEVELS = 255  # of the mu-law
_KERNEL = 15  # of the residual blocks
_STEPS = 4  # from one value to the next, of every layer that shortens
_WIDTHS = {"published": (64, 128, 128, 256), "small": (16, 32, 32, 32)}


class MotionNet(nn.Module):
    """A film becomes maps in time, and a number for each place and time, its class activation map.

    Args:
        size: ``small`` or ``published``.

    Example:
        >>> MotionNet("small")(torch.zeros(2, 3, 8, 24, 24)).shape
        torch.Size([2, 8])
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.trunk = MotionTrunk(size)
        self.activation = nn.Conv3d(self.trunk.width, 1, 1, bias=False)

    def forward(self, films: Tensor) -> Tensor:
        """Return (batch, n_times) of films (batch, 3, n_pictures, height, width)."""
        return self.activations(films).mean(dim=(2, 3))

    def activations(self, films: Tensor) -> Tensor:
        """Return (batch, n_times, rows, columns) of films: what sums up to the numbers of ``forward``."""
        maps: Tensor = self.activation(self.trunk(films))[:, 0]
        return maps

    def tokens(self, films: Tensor) -> Tensor:
        """Return (batch, n_times, width) of films: the maps' means over the picture."""
        return torch.as_tensor(self.trunk(films).mean(dim=(3, 4))).transpose(1, 2)


class WaveNet(nn.Module):
    """A sound becomes a number a time: a 1-D ResNet on the compressed waveform.

    The authors pool at random places to the length that they need; here the largest values of even parts are taken.

    Args:
        size: ``small`` or ``published``.

    Example:
        >>> WaveNet("small")(torch.zeros(2, 4096), 8).shape
        torch.Size([2, 8])
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        first, *widths = _WIDTHS[size]
        layers: list[nn.Module] = [
            nn.Conv1d(1, first, 65, stride=_STEPS, padding=32, bias=False),
            nn.BatchNorm1d(first),
            nn.ReLU(),
            nn.MaxPool1d(_STEPS),
        ]
        for n_inputs, width in zip((first, *widths), widths, strict=False):
            layers += [_ResidualBlock(n_inputs, width, _STEPS), _ResidualBlock(width, width, 1)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv1d(widths[-1], 1, 1, bias=False)

    def forward(self, sounds: Tensor, n_times: int) -> Tensor:
        """Return (batch, n_times) of sounds (batch, n_samples) in [-1, 1]."""
        features = functional.adaptive_max_pool1d(self.layers(compressed(sounds)[:, None]), n_times)
        values: Tensor = self.last(features)[:, 0]
        return values


class Ame(nn.Module):
    """Both networks.

    Args:
        size: ``small`` or ``published``.

    References:
        Zhu & Rahtu (2022), Visually guided sound source separation and localization using self-supervised motion
        representations, WACV.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.motion = MotionNet(size)
        self.sound = WaveNet(size)

    def loss(self, batch: "ShiftedBatch", margin: float) -> Tensor:
        """Return the triplets of films, their sounds and those of another time, a scalar."""
        films = self.motion(as_films(self, batch.frames))
        aligned, shifted = (self.sound(on_device_of(self, sounds), films.shape[1]) for sounds in batch[1:])
        return shift_triplets(films, aligned, shifted, margin)

    def distances(self, sounds: NDArray[np.float32], frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n,) how far sounds (n, n_samples) are from films (n, n_frames, size, size, 3) in time."""
        with torch.no_grad():
            films = self.motion(as_films(self, frames))
            away = films - self.sound(on_device_of(self, sounds), films.shape[1])
            return np.asarray(away.norm(dim=1).cpu().numpy())

    def heat(self, sound: NDArray[np.float32], frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n_frames, rows, columns), at least 0: where a film changes as its sound does.

        The activations and the sound's numbers, each less its mean over time, are multiplied, time by time.

        Args:
            sound: (n_samples,).
            frames: (n_frames, size, size, 3), of the same time.
        """
        with torch.no_grad():
            seen = self.motion.activations(as_films(self, frames[None]))[0]  # (n_times, rows, columns)
            heard = self.sound(on_device_of(self, sound)[None], len(seen))[0]
            together = (seen - seen.mean(dim=0)) * (heard - heard.mean())[:, None, None]
            stretched = functional.interpolate(together.relu()[None, None], (len(frames), *seen.shape[1:]))
        return np.asarray(stretched[0, 0].cpu().numpy())


class ShiftedBatch(NamedTuple):
    """Films with the sound of their own time and with that of another time of the clip.

    Attributes:
        frames: uint8 (batch, n_frames, size, size, 3).
        aligned: float32 (batch, n_samples).
        shifted: float32 (batch, n_samples).
    """

    frames: NDArray[np.uint8]
    aligned: NDArray[np.float32]
    shifted: NDArray[np.float32]


def draw_shifted(
    clips: HeardClips,
    names: Sequence[Clip],
    n_rows: int,
    n_samples: int,
    shift_seconds: tuple[float, float],
    rng: np.random.Generator,
) -> ShiftedBatch:
    """Return films of random clips at random times, with both sounds.

    Args:
        clips: where they are.
        names: the clips to draw from.
        n_rows: how many.
        n_samples: length of the sounds.
        shift_seconds: least and greatest time between both sounds; all times are whole periods of the frames.
        rng: where the draws come from.

    Raises:
        DataError: a clip is too short to be shifted within it.
    """
    rate, fps = clips.facts.rate, clips.facts.frames_fps
    n_frames, rows = clips.n_frames(n_samples / rate), []
    for _ in range(n_rows):
        clip = names[int(rng.integers(len(names)))]
        last = int((clips.n_samples(clip.clip_id) - n_samples) / rate * fps)
        starts = _two_starts(clip, last, [seconds * fps for seconds in shift_seconds], rng)
        sounds = [clips.sound(clip.clip_id, round(start / fps * rate), n_samples) for start in starts]
        rows.append((clips.frames(clip.clip_id, starts[0] / fps, n_frames), *sounds))
    return ShiftedBatch(*(np.stack(column) for column in zip(*rows, strict=True)))


def _two_starts(clip: Clip, last: int, apart: Sequence[float], rng: np.random.Generator) -> tuple[int, int]:
    """Two numbers of frames from 0 to ``last`` that are so far apart."""
    least, most = max(1, round(apart[0])), round(apart[1])
    if last < least:
        expected = "longer clips, or a smaller ame_shift_seconds"
        raise DataError(f"clip {clip.clip_id!r}: {last} frames to shift within, {least} needed; expected {expected}")
    for _ in range(MOST_DRAWS):
        one, other = rng.integers(last + 1, size=2).tolist()
        if least <= abs(one - other) <= most:
            return one, other
    return (0, least) if rng.random() < 0.5 else (least, 0)


def as_films(net: nn.Module, frames: NDArray[np.uint8]) -> Tensor:
    """Return films (batch, 3, n_frames, size, size) as a network takes them of (batch, n_frames, size, size, 3)."""
    pictures = normalised_picture(on_device_of(net, frames).flatten(0, 1))
    return pictures.reshape(*frames.shape[:2], *pictures.shape[1:]).transpose(1, 2)


def compressed(sounds: Tensor) -> Tensor:
    """Return sounds (..., n_samples) with quiet parts raised: sign(x) log(1 + 255 |x|) / log 256, without a step at 0.

    Example:
        >>> compressed(torch.tensor([-1.0, 0.0, 1.0]))
        tensor([-1.,  0.,  1.])
    """
    return sounds.sign() * torch.log1p(_LEVELS * sounds.abs()) / float(np.log1p(_LEVELS))


class _ResidualBlock(nn.Module):
    """Two convolutions over time beside a short cut."""

    def __init__(self, n_inputs: int, width: int, stride: int) -> None:
        super().__init__()
        half = _KERNEL // 2
        self.layers = nn.Sequential(
            nn.Conv1d(n_inputs, width, _KERNEL, stride=stride, padding=half, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, _KERNEL, padding=half, bias=False),
            nn.BatchNorm1d(width),
        )
        is_same = stride == 1 and n_inputs == width
        self.short_cut: nn.Module = nn.Identity()
        if not is_same:
            convolution = nn.Conv1d(n_inputs, width, 1, stride=stride, bias=False)
            self.short_cut = nn.Sequential(convolution, nn.BatchNorm1d(width))

    def forward(self, values: Tensor) -> Tensor:
        """What is made of values (batch, n_inputs, n_times)."""
        added: Tensor = functional.relu(self.layers(values) + self.short_cut(values))
        return added
