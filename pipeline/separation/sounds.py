"""The sound of a clip as separators read it: one channel at one rate, 16 bits a sample; silent clips are refused."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveInt

from pipeline.errors import ClipError
from pipeline.formats.clip_files import files_at
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
        shortest_seconds: a clip that is shorter is refused: it would be mixed with silence.
    """

    rate: PositiveInt
    silence_db: Annotated[float, Field(lt=0)]
    shortest_seconds: NonNegativeFloat = 0.0


PARAMS = SoundsParams  # by this name every decoding stage finds its section


def clip_arrays(clip: Clip, path: AnyPath, params: SoundsParams, bounds: Bounds = BOUNDS) -> dict[str, NDArray[Any]]:
    """Return ``sound`` (n_samples,) int16, and ``n_clipped`` (1,) int64, how many samples are at full scale.

    The sound starts with the video's clock: where the pictures come first, it starts with silence.

    Args:
        clip: for the message.
        path: of its video; a data set that keeps sounds beside videos has it in another file.
        params: section ``sounds``.
        bounds: what the video may ask for.

    Raises:
        ClipError: the video has no sound that can be decoded, too much or too little of it, or nothing but silence.
    """
    sound = read_sound(files_at(path, clip.path).sound, params.rate, bounds)
    if len(sound) < params.shortest_seconds * params.rate:
        problem = f"{len(sound) / params.rate:.3g} s of sound"
        expected = f"at least sounds.shortest_seconds={params.shortest_seconds:g}"
        raise ClipError(clip.clip_id, "too_short", problem, expected)
    loudest = int(np.abs(sound.astype(np.int32)).max(initial=0))
    if loudest < FULL_SCALE * 10 ** (params.silence_db / 20):
        problem = f"its loudest sample is at {loudest / FULL_SCALE:.2g} of full scale"
        raise ClipError(clip.clip_id, "silent", problem, f"sound above sounds.silence_db={params.silence_db:g}")
    n_clipped = int((np.abs(sound.astype(np.int32)) >= LOUDEST).sum())
    return {"sound": sound, "n_clipped": np.array([n_clipped], np.int64)}


def read_sound(path: AnyPath, rate: int, bounds: Bounds = BOUNDS) -> NDArray[np.int16]:
    """Return the sound (n_samples,) of a file, 16 bits; where its pictures come first, it starts with silence.

    Args:
        path: the file.
        rate: samples a second.
        bounds: what it may ask for.

    Raises:
        ClipError: it has no sound that can be decoded, or too much of it.
    """
    parts: list[NDArray[np.int16]] = []
    for seconds, block in iter_waveform(path, rate, bounds=bounds):
        if not parts and seconds > 0:
            parts.append(np.zeros(round(seconds * rate), np.int16))
        parts.append(as_int16(block))
    return np.concatenate([np.empty(0, np.int16), *parts])


def as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return samples (n,) in [-1, 1] of samples of 16 bits."""
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


def as_int16(sound: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return samples (n,) of 16 bits of samples in [-1, 1].

    Example:
        >>> as_int16(np.array([-1.0, 0.5, 1.0])).tolist()
        [-32768, 16384, 32767]
    """
    samples: NDArray[np.int16] = np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, LOUDEST).astype(np.int16)
    return samples
