"""Pictures as JPEG files that lie one after the other: how the stage `frames` keeps them."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import DataError
from pipeline.formats.shards import Rows


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
