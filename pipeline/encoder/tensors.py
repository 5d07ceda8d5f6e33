"""model.safetensors: the PCA and all fits of one model in one file.

A fit keeps the names of its tensors behind ``seed-N/``, and what its own file says of itself in the metadata, so that
every model is read back by its own ``load``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.errors import DataError, DiskError, in_words
from pipeline.features.pca import NO_PCA, Pca
from pipeline.model_parts.base import Model, model_module
from pipeline.settings.json_text import parse_json
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

METADATA = "seeds"  # the one key: with two of them the bytes of a file would not be the same every time
OF_PCA = "pca/"
EXPECTED = "expected the tensors of an encoder"


class SavedFit(NamedTuple):
    """What the file of one fit holds: arrays by name of any shape, and the metadata that the model wrote."""

    arrays: dict[str, NDArray[Any]]
    metadata: dict[str, str]

    @property
    def params(self) -> dict[str, Any]:
        """What the model was made with."""
        return dict(parse_json(self.metadata["model"])["params"])


def read_fits(folder: AnyPath) -> dict[int, SavedFit]:
    """Return the fits of a model by seed, rising, out of a folder that the stage `train` wrote.

    Raises:
        DataError: there is none, or one cannot be read.
    """
    folder = Path(folder)
    files = {int(path.stem.removeprefix("seed-")): path for path in folder.glob("seed-*.safetensors")}
    if not files:
        raise DataError(f"{folder}: no seed-N.safetensors; expected a folder that the stage `train` wrote")
    return {seed: _read_fit(path) for seed, path in sorted(files.items())}


def write_tensors(path: AnyPath, pca: Pca, fits: Mapping[int, SavedFit]) -> None:
    """Write a PCA and fits by seed to one file, for all who may read its folder; equal ones give equal bytes.

    Args:
        path: the file; its folder exists.
        pca: that of the run; an empty one is left out.
        fits: what `read_fits` returned.
    """
    path = Path(path)
    arrays = {f"seed-{seed}/{name}": array for seed, fit in fits.items() for name, array in fit.arrays.items()}
    if len(pca.mean):
        arrays |= {f"{OF_PCA}{name}": array for name, array in pca._asdict().items()}
    metadata = json.dumps({str(seed): fit.metadata for seed, fit in fits.items()}, sort_keys=True)
    path.touch()
    mode = path.stat().st_mode  # safetensors would lock out all other users
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, {METADATA: metadata})
    path.chmod(mode)


def read_pca(path: AnyPath) -> Pca:
    """Return the PCA of the file; an empty one where it holds none.

    Raises:
        DataError: the file is missing or damaged.
    """
    arrays = _arrays_below(path, OF_PCA)
    try:
        return Pca(**arrays) if arrays else NO_PCA
    except TypeError as error:
        raise DataError(f"{path}: {error}; {EXPECTED}") from error


def read_model(path: AnyPath, name: str, seed: int) -> Model:
    """Return one fit, ready to embed.

    Args:
        path: the file.
        name: of the model.
        seed: of the fit.

    Raises:
        DataError: the file is missing or damaged, or holds no such fit of that model.
        DiskError: there is no room in the system's temporary folder ($TMPDIR).
        ParamsError: there is no model of that name.
    """
    path = Path(path)
    try:
        check_regular(path)
        with safe_open(path, framework="numpy") as file:
            metadata = dict(parse_json(file.metadata()[METADATA])[str(seed)])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: seed {seed}: {in_words(error)}; {EXPECTED}") from error
    with TemporaryDirectory() as folder:  # a model reads the file that it wrote, and nothing else
        alone = Path(folder) / f"seed-{seed}.safetensors"
        try:
            save_file(_arrays_below(path, f"seed-{seed}/"), alone, metadata)
        except (OSError, SafetensorError) as error:
            expected = "expected room in the temporary folder, which TMPDIR names"
            raise DiskError(f"{folder}: {in_words(error)}; {expected}") from error
        model: Model = model_module(name).Model.load(alone)
    return model


def _read_fit(path: Path) -> SavedFit:
    """The arrays and the metadata of one file."""
    try:
        check_regular(path)
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
            fit = SavedFit(arrays, dict(file.metadata()))
        fit.params  # noqa: B018 - says here what is wrong with it
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected a file that the stage `train` wrote") from error
    return fit


def _arrays_below(path: AnyPath, prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin with a prefix, by what follows it."""
    try:
        check_regular(path)
        with safe_open(path, framework="numpy") as file:
            names = sorted(name for name in file.keys() if name.startswith(prefix))  # noqa: SIM118 - no dict
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: {error}; {EXPECTED}") from error
