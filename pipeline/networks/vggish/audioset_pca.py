"""What AudioSet does to VGGish embeddings before it publishes them: its own PCA, and eight bits a number."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, in_words
from pipeline.settings.environment import weights_folder
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import open_regular

FILE = "vggish_pca_params.npz"
URL = f"https://storage.googleapis.com/audioset/{FILE}"
WIDTH = 128
LIMIT = 2.0
N_STEPS = 255
DAMAGE = (
    *(OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
"""What reading a damaged npz raises."""


class VggishPca(NamedTuple):
    """AudioSet's PCA, float64: eigen_vectors (128, 128), a component a row; means (128,) of the embeddings."""

    eigen_vectors: NDArray[np.float64]
    means: NDArray[np.float64]


def pca_file() -> Path:
    """Return where AudioSet's file is looked for: in the folder of weights."""
    return weights_folder() / FILE


def load_vggish_pca(path: AnyPath) -> VggishPca:
    """Return the PCA parameters of AudioSet's file.

    Args:
        path: an npz with ``pca_eigen_vectors`` (128, 128) and ``pca_means`` (128,) or (128, 1).

    Raises:
        DataError: the file is missing or is no such npz, or an array has another shape or numbers that are not finite.
    """
    path = Path(path)
    try:
        with open_regular(path) as opened, np.load(opened, allow_pickle=False) as file:
            eigen_vectors, means = file["pca_eigen_vectors"], file["pca_means"]
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing, and vggish.postprocess needs it; expected a copy of {URL} there") from error
    except DAMAGE as error:
        raise DataError(f"{path}: {in_words(error)}; expected the arrays of {URL}") from error
    _check(path, "pca_eigen_vectors", eigen_vectors, [(WIDTH, WIDTH)])
    _check(path, "pca_means", means, [(WIDTH,), (WIDTH, 1)])
    return VggishPca(eigen_vectors.astype(np.float64), means.astype(np.float64).reshape(WIDTH))


def postprocess(embeddings: NDArray[np.floating], pca: VggishPca, quantise: bool) -> NDArray[np.float32]:
    """Return embeddings as AudioSet published them: on its principal components, clipped, on a scale of 8 bits.

    Args:
        embeddings: (n, 128) as VGGish gives them.
        pca: of `load_vggish_pca`.
        quantise: drop the fraction, as TensorFlow's cast to uint8 does; ports that round are half a step higher.

    Returns:
        (n, 128) float32 in [0, 255], where -2 and below is 0, and 2 and above 255; whole numbers when quantised.

    Raises:
        DataError: the embeddings have another width.

    References:
        Abu-El-Haija et al. (2016), YouTube-8M: a large-scale video classification benchmark, arXiv:1609.08675; the
        exact numbers are those of vggish_postprocess.py in tensorflow/models, research/audioset.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] != WIDTH:
        raise DataError(f"VGGish embeddings of shape {embeddings.shape}; expected (n, {WIDTH})")
    components = (embeddings - pca.means) @ pca.eigen_vectors.T  # (n, 128) float64
    scaled = (components.clip(-LIMIT, LIMIT) + LIMIT) * N_STEPS / (2 * LIMIT)
    return (np.floor(scaled) if quantise else scaled).astype(np.float32)


def _check(path: Path, name: str, array: NDArray[np.floating], shapes: list[tuple[int, ...]]) -> None:
    """Refuse an array that is not the one of that name."""
    if not isinstance(array, np.ndarray):  # of what it cannot read NumPy gives the bytes
        raise DataError(f"{path}: {name} holds bytes that are no array; expected finite floats")
    if array.shape not in shapes:
        raise DataError(f"{path}: {name} has shape {array.shape}; expected {' or '.join(map(str, shapes))}")
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise DataError(f"{path}: {name} ({array.dtype}) has values that are no finite float; expected finite floats")
