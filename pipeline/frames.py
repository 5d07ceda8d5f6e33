"""When to look at a clip, and how its pictures are kept: resized to squares, as JPEG."""

import hashlib
import io
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torchvision.transforms.v2 import functional

from pipeline.errors import ClipError, DataError
from pipeline.params import StageParams
from pipeline.shards import Rows


class FramesParams(StageParams):
    """Section ``frames`` of params.yaml."""

    frames_per_second: PositiveFloat
    choice: Literal["middle", "random"]
    seed: NonNegativeInt
    size: PositiveInt
    jpeg_quality: int = Field(ge=1, le=100)


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

    Args:
        picture: uint8 (height, width, 3).
        size: side of the square, pixels.

    Returns:
        uint8 (size, size, 3).
    """
    channels_first = torch.from_numpy(picture).permute(2, 0, 1)  # (3, height, width)
    square = functional.resize(channels_first, [size, size], antialias=True)  # (3, size, size)
    return np.ascontiguousarray(square.permute(1, 2, 0).numpy())


def encode_jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return the bytes of a JPEG file with colour at half resolution (4:2:0).

    Args:
        picture: uint8 (height, width, 3) RGB.
        quality: 1 to 100.

    Returns:
        uint8 (n_bytes,).
    """
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "jpeg", quality=quality, subsampling="4:2:0")
    return np.frombuffer(file.getvalue(), np.uint8)


class JpegPictures:
    """The pictures of JPEG files that lie one after the other, like an array (n, size, size, 3) uint8 RGB.

    A slice reads and decodes its own pictures and no others.

    Args:
        data: uint8 (n_bytes,), the files; it may still be in a file itself.
        lengths: int64 (n,), how many bytes each file has.

    Raises:
        DataError: there is no file, the lengths do not add up, or, when it is decoded, a file is no JPEG.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, data: Rows, lengths: NDArray[np.int64]) -> None:
        if len(lengths) == 0 or lengths.sum() != len(data):
            raise DataError(f"{len(lengths)} JPEG files in {len(data)} bytes; expected at least 1, filling all bytes")
        self._data, self._starts = data, np.concatenate([[0], np.cumsum(lengths)])
        self.shape: tuple[int, ...] = (len(lengths), *self._picture(0).shape)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        """Return some of the pictures, uint8 (n, size, size, 3)."""
        numbers = range(len(self))[rows]
        pictures = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        for k, number in enumerate(numbers):
            pictures[k] = self._picture(number)
        return pictures

    def _picture(self, number: int) -> NDArray[np.uint8]:
        """One of the pictures, uint8 (size, size, 3)."""
        return _decode_jpeg(self._data[self._starts[number] : self._starts[number + 1]], number)


def decode_jpegs(data: Rows, lengths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return all ``JpegPictures`` as one array uint8 (n, size, size, 3)."""
    return JpegPictures(data, lengths)[:]


def _decode_jpeg(file: NDArray[np.uint8], k: int) -> NDArray[np.uint8]:
    """One picture, uint8 (size, size, 3)."""
    try:
        with Image.open(io.BytesIO(file.tobytes()), formats=["JPEG"]) as image:
            return np.asarray(image)
    except OSError as error:
        raise DataError(f"picture {k}: {error}; expected a whole JPEG file") from error
