"""Films of the mouth that a data set has cut itself: uint8 (T, 96, 96) at 25 pictures a second, in HDF5 or npz.

References:
    Gao & Grauman (2021), VisualVoice, CVPR (HDF5); Li et al. (2022), CTCNet, arXiv 2212.10744 (npz, LRS2-2Mix).
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError, DataError, in_words
from pipeline.formats.hdf5 import dataset, open_hdf5
from pipeline.frames import resize
from pipeline.settings.limits import load_limits
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import open_regular

KEY = "data"
MEMBER = f"{KEY}.npy"
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
FPS = 25.0  # of the published films
FEWEST_PICTURES = 2
NO_FACE = 108  # a grey of the mean brightness of mouths, which is what a separator is shown in place of no film
EXPECTED = "pictures uint8 (n, height, width) of a mouth, two or more"


def mouth_film(clip_id: str, path: AnyPath, fps: float, size: int) -> NDArray[np.uint8]:
    """Return the film (n, size, size) of a mouth at another rate: of each time the picture that is on display then.

    Args:
        clip_id: for the message.
        path: of an .h5 or .npz with the array ``data``.
        fps: pictures a second to return.
        size: side of the square, pixels.

    Raises:
        ClipError: the file is missing or damaged, asks for more than section ``limits`` allows, or is no such film.
    """
    path = Path(path)
    try:
        film = _from_hdf5(path) if path.suffix == ".h5" else _from_npz(path)
    except DataError as error:
        problem, _, expected = str(error).partition("; expected ")
        raise ClipError(clip_id, "undecodable", problem, expected) from error
    if film.ndim != 3 or film.dtype != np.uint8 or len(film) < FEWEST_PICTURES or 0 in film.shape:
        raise ClipError(clip_id, "no_view", f"{path.name}: {film.dtype} {film.shape}", EXPECTED)
    n_pictures = max(1, round(len(film) / FPS * fps))
    shown = ((np.arange(n_pictures) + 0.5) / fps * FPS).astype(int).clip(max=len(film) - 1)
    return np.stack([_square(film[number], size) for number in shown])


def no_face(size: int) -> dict[str, NDArray[Any]]:
    """Return ``face`` (1, size, size, 3), grey, and ``seconds`` (1,), 0: of a data set that keeps mouths alone."""
    return {"face": np.full((1, size, size, 3), NO_FACE, np.uint8), "seconds": np.zeros(1)}


def _square(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """One grey picture (height, width) of another size."""
    if picture.shape == (size, size):
        return picture
    return resize(np.repeat(picture[..., None], 3, axis=2), size)[..., 0]


def _from_hdf5(path: Path) -> NDArray[np.uint8]:
    """The array of an HDF5 file, whose numbers lie in the file itself."""
    with open_hdf5(path) as file:
        return np.asarray(dataset(file, KEY)[()])


def _from_npz(path: Path) -> NDArray[np.uint8]:
    """The array of an npz; its size is looked at before it is unpacked, and nothing but numbers is read."""
    try:
        with open_regular(path) as opened, zipfile.ZipFile(opened) as archive:
            _check_size(path, archive.getinfo(MEMBER).file_size)
            with archive.open(MEMBER) as member:
                shape, is_fortran, dtype = HEADERS[np.lib.format.read_magic(member)](member)
                film = np.frombuffer(member.read(), dtype).reshape(shape, order="F" if is_fortran else "C")
    except DataError:
        raise
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: {in_words(error)}; expected an npz with the array {KEY!r}") from error
    return film


def _check_size(path: Path, n_bytes: int) -> None:
    """Refuse more than the limits allow."""
    limits, n_packed = load_limits(), path.stat().st_size
    for most, key in (
        (limits.array_gigabytes * 1e9, "array_gigabytes"),
        (limits.expansion_factor * n_packed, "expansion_factor"),
    ):
        if n_bytes > most:
            raise DataError(f"{path}: {KEY} takes {n_bytes} bytes; expected at most {limits.named(key)}")
