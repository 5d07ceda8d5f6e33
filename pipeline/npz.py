"""Arrays in an npz whose bytes do not depend on the version of Python.

``numpy.savez`` asks for 64-bit sizes in every header, which Python 3.11.7 writes in another way than 3.11.2.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays, none of them of Python objects, for ``numpy.load`` to read by their names."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data.getbuffer())
