"""Embeddings of a model in an npz whose bytes do not depend on the version of Python.

``numpy.savez`` asks for 64-bit sizes in every header, which Python 3.11.7 writes in another way than 3.11.2.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, ParamsError, in_words
from pipeline.formats.feature_table import NO_LABEL, label_names
from pipeline.formats.texts import pack_texts, unpack_texts
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

UNLABELLED = ""  # in place of the name of a class
_AXES = {"audio": 1, "visual": 1, "labels": 0}  # which axis of the numbers is that of the clips
_NAMES = ("clip_ids", "splits")  # texts of every clip
_TEXTS = (*_NAMES, "classes")


class ArrayInPieces(NamedTuple):
    """A float32 array that is made as it is written.

    Attributes:
        shape: of the whole.
        pieces: its numbers in their order, in arrays of any shape.
    """

    shape: tuple[int, ...]
    pieces: Iterable[NDArray[np.float32]]


def write_arrays(path: AnyPath, arrays: Mapping[str, NDArray[Any] | ArrayInPieces]) -> None:
    """Write arrays by name for ``numpy.load`` to read; equal arrays give equal bytes, in pieces or not.

    Args:
        path: the npz file.
        arrays: of any shape; none of Python objects.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            info, data = zipfile.ZipInfo(f"{name}.npy"), io.BytesIO()
            if isinstance(array, ArrayInPieces):
                _write_pieces(archive, info, array)
                continue
            np.lib.format.write_array(data, array, allow_pickle=False)
            archive.writestr(info, data.getbuffer())


def _write_pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo, array: ArrayInPieces) -> None:
    """Write one array, a piece in memory at a time."""
    head = io.BytesIO()
    facts = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(head, facts)
    info.file_size = len(head.getvalue()) + 4 * math.prod(array.shape)
    with archive.open(info, "w") as file:
        file.write(head.getvalue())
        for piece in array.pieces:
            file.write(np.ascontiguousarray(piece, np.float32).data.cast("B"))


DAMAGE = (
    *(OSError, EOFError, LookupError, TypeError, ValueError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
"""What reading a damaged npz raises: its zip may ask for another version, and NumPy takes the header for Python."""


def write_embedded(
    path: AnyPath, numbers: Mapping[str, NDArray[Any] | ArrayInPieces], texts: Mapping[str, Sequence[str]]
) -> None:
    """Write what ``EmbeddedClips.load`` reads.

    Args:
        path: the npz file.
        numbers: audio and visual (n_seeds, n, k), and labels (n,), as in ``EmbeddedClips``; in this order.
        texts: clip_ids, splits and classes, likewise.
    """
    write_arrays(path, {**numbers, **pack_texts(texts)})


@dataclass(frozen=True, kw_only=True)
class EmbeddedClips:
    """One model's embeddings of all clips.

    Attributes:
        audio: (n_seeds, n, k) float32.
        visual: (n_seeds, n, k) float32.
        labels: (n,) int64 places in ``classes``; -1 where the class is not known.
        classes: names of the classes.
        clip_ids: n names.
        splits: n times ``train``, ``validation`` or ``test``.
    """

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: Sequence[str]
    clip_ids: Sequence[str]
    splits: Sequence[str]

    def __post_init__(self) -> None:
        """Refuse arrays of different clips, and labels without a class."""
        rows = {name: getattr(self, name).shape[axis] for name, axis in _AXES.items()}
        rows |= {name: len(getattr(self, name)) for name in _NAMES}
        if len(set(rows.values())) > 1:
            raise DataError(f"embeddings: rows {rows}; expected the same number everywhere")
        if self.labels.dtype.kind != "i" or not np.isin(self.labels, np.arange(NO_LABEL, len(self.classes))).all():
            raise DataError(
                f"embeddings: {self.labels.dtype} labels; expected places among {len(self.classes)} classes, or "
                f"{NO_LABEL} for none"
            )

    def save(self, path: AnyPath) -> None:
        """Write them to an npz; equal embeddings give equal bytes."""
        write_embedded(path, *({name: getattr(self, name) for name in names} for names in (_AXES, _TEXTS)))

    @classmethod
    def load(cls, path: AnyPath) -> EmbeddedClips:
        """Return the embeddings of a file that ``save`` wrote.

        Raises:
            DataError: the file is missing or is no such file.
        """
        path = Path(path)
        try:
            check_regular(path)
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file}
            if others := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
                raise ValueError(f"{others[0]}: bytes that are no array")  # NumPy gives what it cannot read as it is
            texts: dict[str, Any] = {name: unpack_texts(arrays, name) for name in _TEXTS}
            numbers = {name: arrays[name] for name in _AXES}
            return cls(**numbers, **texts)  # where arrays of different clips are refused
        except DAMAGE as error:
            expected = "embeddings that the stage `train` wrote; `dvc repro` writes those of an earlier version again"
            raise DataError(f"{path}: {in_words(error)}; expected {expected}") from error


@dataclass(frozen=True)
class Embeddings:
    """One model's embeddings of the test clips.

    Attributes:
        audio: (n_seeds, n, k).
        visual: (n_seeds, n, k).
        labels: (n,) int64 places in ``classes``.
        classes: names of the classes that occur, sorted; ``UNLABELLED`` behind them for clips without a label.
        own: (n,) where relevant is the own clip, not the class: rows of one number are one clip under several names.
    """

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: list[str]
    own: NDArray[np.int64] | None = None

    @property
    def relevant(self) -> NDArray[np.int64]:
        """What makes an item relevant to a query, (n,): both have one number."""
        return self.labels if self.own is None else self.own

    @classmethod
    def load(cls, path: AnyPath) -> Embeddings:
        """Return the rows of the test split from a file that the stage ``embed`` wrote.

        Raises:
            DataError: the file is missing or is no such file, or has no test clip.
        """
        clips = EmbeddedClips.load(path)
        test = np.flatnonzero([split == "test" for split in clips.splits])
        if not test.size:
            raise DataError(f"{path}: no clip of the split 'test'; expected at least one")
        names = label_names(clips.labels[test], clips.classes)
        classes = sorted(set(names) - {UNLABELLED}) + [UNLABELLED] * (UNLABELLED in names)
        place = {name: i for i, name in enumerate(classes)}
        labels = np.array([place[name] for name in names])
        return cls(clips.audio[:, test], clips.visual[:, test], labels, classes)

    def rows(self, places: NDArray[np.int64]) -> Embeddings:
        """Return those of some of the clips, with the classes of all.

        Args:
            places: (m,) of the clips.
        """
        own = None if self.own is None else self.own[places]
        audio, visual, labels = self.audio[:, places], self.visual[:, places], self.labels[places]
        return replace(self, audio=audio, visual=visual, labels=labels, own=own)

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
