"""How the sources move, as a motion network sees it: vectors in time, made once a clip and cut by time."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.formats.clips import Clip
from pipeline.separation.heard import HeardClips
from pipeline.separation.parts.ame import MotionNet, as_films


class MotionFilm(NamedTuple):
    """What is seen of a film by a motion network.

    Attributes:
        tokens: (n_times, width), evenly over the film.
        seconds: length of the film.
    """

    tokens: Tensor
    seconds: float

    def cut(self, start_seconds: float, seconds: float) -> Tensor:
        """Return (n, width), evenly over a window at the film's rate, linear between tokens; those at the ends stay.

        Args:
            start_seconds: where the window begins.
            seconds: length of the window.
        """
        rate = len(self.tokens) / self.seconds
        n = max(1, round(seconds * rate))
        places = (start_seconds + (torch.arange(n, device=self.tokens.device) + 0.5) * (seconds / n)) * rate - 0.5
        places = places.clamp(0, len(self.tokens) - 1)
        low = places.floor().long().clamp(max=max(0, len(self.tokens) - 2))
        high = (low + 1).clamp(max=len(self.tokens) - 1)
        part = (places - low)[:, None]
        return (1 - part) * self.tokens[low] + part * self.tokens[high]


def film_of(net: MotionNet, frames: NDArray[np.uint8], fps: float) -> MotionFilm:
    """Return what a network, in eval mode, sees of frames (n_frames, size, size, 3) at so many a second."""
    with torch.no_grad():
        return MotionFilm(net.tokens(as_films(net, frames[None]))[0], len(frames) / fps)


class MotionFilms:
    """The films of clips as a network in eval mode sees them, each seen once.

    Args:
        clips: where the frames are.
        net: which looks.
    """

    def __init__(self, clips: HeardClips, net: MotionNet) -> None:
        self._clips, self._net = clips, net
        self._seen: dict[str, MotionFilm] = {}

    def of(self, clip_id: str) -> MotionFilm:
        """Return what is seen of a clip, from its first second on."""
        if clip_id not in self._seen:
            clips = self._clips
            self._seen[clip_id] = film_of(self._net, clips.whole_film(clip_id), clips.facts.frames_fps)
        return self._seen[clip_id]

    def scale(self, clips: Iterable[Clip]) -> tuple[Tensor, Tensor]:
        """Return mean and spread (width,) of all tokens of clips; a spread of nothing is 1."""
        tokens = torch.cat([self.of(clip.clip_id).tokens for clip in clips])
        spread = tokens.std(dim=0, correction=0)
        return tokens.mean(dim=0), torch.where(spread > 0, spread, torch.ones_like(spread))
