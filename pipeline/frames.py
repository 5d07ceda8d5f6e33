"""When to look at a clip, and how its pictures are kept: resized to squares, as JPEG."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip
from pipeline.formats.jpegs import encode_jpeg
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.video import BOUNDS, Bounds, iter_frames


class FramesParams(StageParams):
    """Section ``frames`` of params.yaml."""

    frames_per_second: PositiveFloat
    choice: Literal["middle", "random"]
    seed: NonNegativeInt
    size: PositiveInt
    jpeg_quality: int = Field(ge=1, le=100)


PARAMS = FramesParams  # by this name every decoding stage finds its section


def clip_arrays(clip: Clip, path: AnyPath, params: FramesParams, bounds: Bounds = BOUNDS) -> dict[str, NDArray[Any]]:
    """Return ``jpeg`` (n_bytes,) uint8, ``lengths`` (n,) and ``seconds`` (n,) of a clip's pictures.

    Args:
        clip: its hash seeds the choice of random times.
        path: of its video.
        params: section ``frames``.
        bounds: what the video may ask for.

    Raises:
        ClipError: the video has no picture that can be decoded, or asks for too much.
    """
    offset_of = offsets(params, clip.sha256)
    return picture_arrays(clip.clip_id, iter_frames(path, params.frames_per_second, offset_of, bounds), params)


def offsets(params: FramesParams, clip_id: str) -> Callable[[int], float]:
    """Return the function that says how far into the k-th period of a clip to look, in seconds.

    Args:
        params: ``choice`` is ``middle`` for half a period, or ``random`` for a time of its own in each period.
        clip_id: with ``seed`` and k it fixes the random time, however many periods the clip has.

    Returns:
        k >= 0 to a value in [0, 1 / frames_per_second).
    """
    period_seconds = 1 / params.frames_per_second
    if params.choice == "middle":
        return lambda _: period_seconds / 2
    digest = int.from_bytes(hashlib.sha256(clip_id.encode()).digest(), "big")
    return lambda k: period_seconds * np.random.default_rng([params.seed, digest, k]).random()


def picture_arrays(
    clip_id: str, pictures: Iterable[tuple[float, NDArray[np.uint8]]], params: FramesParams
) -> dict[str, NDArray[Any]]:
    """Return what is kept of a clip, one picture in memory at a time.

    Args:
        clip_id: for the message.
        pictures: (seconds, picture) with pictures uint8 (height, width, 3).
        params: section ``frames``.

    Returns:
        ``jpeg`` (n_bytes,) uint8, n files one after the other; ``lengths`` (n,) int64; ``seconds`` (n,) float64.

    Raises:
        ClipError: there is no picture: the video ends before the first one is looked at.
    """
    data, lengths, times_seconds = bytearray(), [], []
    for seconds, picture in pictures:
        file = encode_jpeg(resize(picture, params.size), params.jpeg_quality)
        data += file.tobytes()
        lengths.append(len(file))
        times_seconds.append(seconds)
    if not lengths:
        expected = f"a video long enough for one picture at {params.frames_per_second:g} a second"
        raise ClipError(clip_id, "too_short", "the video ends before its first picture is taken", expected)
    return {
        "jpeg": np.frombuffer(data, np.uint8),
        "lengths": np.array(lengths, np.int64),
        "seconds": np.array(times_seconds, np.float64),
    }


def resize(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return the picture as a square: bilinear with antialiasing, its aspect ratio not kept.

    The bytes are those of torchvision's ``resize``, whose import takes as long as torch's own, in every worker.

    Args:
        picture: uint8 (height, width, 3).
        size: side of the square, pixels.

    Returns:
        uint8 (size, size, 3).

    Example:
        >>> resize(np.full((240, 320, 3), 7, np.uint8), 299).shape
        (299, 299, 3)
    """
    import torch  # here, so that a stage that finds all clips in the cache does not load it
    from torch.nn import functional

    channels_first = torch.from_numpy(picture).permute(2, 0, 1)  # (3, height, width)
    square = functional.interpolate(channels_first[None], [size, size], mode="bilinear", antialias=True)[0]
    return np.ascontiguousarray(square.permute(1, 2, 0).numpy())
