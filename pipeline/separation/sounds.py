"""The sound of a clip as separators read it: one channel at one rate, 16 bits a sample; silent clips are refused."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.video import BOUNDS, Bounds, iter_waveform

FULL_SCALE = 1 << 15
LOUDEST = FULL_SCALE - 1


class SoundsParams(StageParams):
    """Section ``sounds`` of params.yaml.

    Attributes:
        rate: samples a second.
        silence_db: a clip whose loudest sample is below it, in dB of full scale, is refused.
    """

    rate: PositiveInt
    silence_db: Annotated[float, Field(lt=0)]


PARAMS = SoundsParams  # by this name every decoding stage finds its section


def clip_arrays(clip: Clip, path: AnyPath, params: SoundsParams, bounds: Bounds = BOUNDS) -> dict[str, NDArray[Any]]:
    """Return ``sound`` (n_samples,) int16, and ``n_clipped`` (1,) int64, how many samples are at full scale.

    The sound starts with the video's clock: where the pictures come first, it starts with silence.

    Args:
        clip: for the message.
        path: of its video.
        params: section ``sounds``.
        bounds: what the video may ask for.

    Raises:
        ClipError: the video has no sound that can be decoded, too much of it, or nothing but silence.
    """
    parts: list[NDArray[np.int16]] = []
    for seconds, block in iter_waveform(path, params.rate, bounds=bounds):
        if not parts and seconds > 0:
            parts.append(np.zeros(round(seconds * params.rate), np.int16))
        parts.append(as_int16(block))
    sound = np.concatenate([np.empty(0, np.int16), *parts])
    loudest = int(np.abs(sound.astype(np.int32)).max(initial=0))
    if loudest < FULL_SCALE * 10 ** (params.silence_db / 20):
        problem = f"its loudest sample is at {loudest / FULL_SCALE:.2g} of full scale"
        raise ClipError(clip.clip_id, "silent", problem, f"sound above sounds.silence_db={params.silence_db:g}")
    n_clipped = int((np.abs(sound.astype(np.int32)) >= LOUDEST).sum())
    return {"sound": sound, "n_clipped": np.array([n_clipped], np.int64)}


def as_int16(sound: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return samples (n,) of 16 bits of samples in [-1, 1].

    Example:
        >>> as_int16(np.array([-1.0, 0.5, 1.0])).tolist()
        [-32768, 16384, 32767]
    """
    samples: NDArray[np.int16] = np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, LOUDEST).astype(np.int16)
    return samples
