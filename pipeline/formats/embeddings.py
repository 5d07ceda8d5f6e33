"""Arrays in an npz whose bytes do not depend on the version of Python.

``numpy.savez`` asks for 64-bit sizes in every header, which Python 3.11.7 writes in another way than 3.11.2.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, ParamsError
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular


def write_arrays(path: AnyPath, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays by name for ``numpy.load`` to read; equal arrays give equal bytes.

    Args:
        path: the npz file.
        arrays: of any shape; none of Python objects.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data.getbuffer())


# what reading a damaged npz raises; a RuntimeError is a version of zip or a password that Python does not know
DAMAGE = (OSError, EOFError, LookupError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Embeddings:
    """One model's embeddings of the test clips.

    Attributes:
        audio: (n_seeds, n, k).
        visual: (n_seeds, n, k).
        labels: (n,) names of the classes.
    """

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    labels: NDArray[np.str_]

    @classmethod
    def load(cls, path: AnyPath) -> Embeddings:
        """Return the rows of the test split from a file that the stage ``embed`` wrote.

        Raises:
            DataError: the file is missing or is no such file, or has no test clip.
        """
        path = Path(path)
        try:
            check_regular(path)
            with np.load(path, allow_pickle=False) as file:
                test = file["splits"] == "test"
                audio, visual, labels = file["audio"][:, test], file["visual"][:, test], file["labels"][test]
        except DAMAGE as error:
            raise DataError(f"{path}: {error!r}; expected embeddings that the stage `embed` wrote") from error
        if not test.any():
            raise DataError(f"{path}: no clip of the split 'test'; expected at least one")
        return cls(audio, visual, labels)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Each clip's place in the sorted names of the classes, (n,)."""
        return np.unique(self.labels, return_inverse=True)[1]

    def scopes(self, sizes: Sequence[int]) -> list[int]:
        """Return the scopes that are no larger than the gallery.

        Raises:
            ParamsError: none of them is.
        """
        if min(sizes) > len(self.labels):
            raise ParamsError(
                f"evaluate.scope_sizes: {[*sizes]}; expected one of at most {len(self.labels)}, the test clips"
            )
        return [size for size in sizes if size <= len(self.labels)]
