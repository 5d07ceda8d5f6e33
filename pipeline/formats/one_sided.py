"""The test clips that have sound alone, or pictures alone, in one file: queries and gallery items of what they have."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pipeline.errors import DataError, in_words
from pipeline.formats.texts import pack_texts, unpack_texts
from pipeline.settings.paths import AnyPath

TEXTS = ("clip_ids", "labels")


@dataclass(frozen=True, kw_only=True)
class OneSide:
    """Test clips that have one modality alone.

    Attributes:
        clip_ids: n names.
        labels: n names of classes; an empty one is not known.
        features: (n, width) float32, as models see them.

    Raises:
        DataError: lengths disagree, or a value is NaN or infinite.
    """

    clip_ids: list[str]
    labels: list[str]
    features: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse clips that cannot be right."""
        rows = {name: len(getattr(self, name)) for name in (*TEXTS, "features")}
        if len(set(rows.values())) != 1 or self.features.ndim != 2:
            raise DataError(
                f"clips of one side: rows {rows}, features of shape {self.features.shape}; expected the same number "
                "everywhere, and features (n, width)"
            )
        if not np.isfinite(self.features).all():
            raise DataError("clips of one side: features with NaN or infinity; expected finite numbers")

    @classmethod
    def empty(cls) -> "OneSide":
        """Return no clips."""
        return cls(clip_ids=[], labels=[], features=np.zeros((0, 0), np.float32))

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.clip_ids)


class OneSided(NamedTuple):
    """Test clips that have sound alone, and those that have pictures alone."""

    audio: OneSide
    visual: OneSide

    @property
    def is_empty(self) -> bool:
        """Whether there is no such clip."""
        return not len(self.audio) and not len(self.visual)

    @property
    def features(self) -> dict[str, NDArray[np.float32]]:
        """The features (n, width) of each, by modality."""
        return {modality: side.features for modality, side in self._asdict().items()}

    def save(self, path: AnyPath) -> None:
        """Write both to one safetensors file; equal clips give equal bytes."""
        arrays: dict[str, NDArray[Any]] = {}
        for modality, side in self._asdict().items():
            texts = {f"{modality}.{name}": getattr(side, name) for name in TEXTS}
            arrays |= {f"{modality}.features": np.ascontiguousarray(side.features), **pack_texts(texts)}
        save_file(arrays, path)

    @classmethod
    def load(cls, path: AnyPath) -> "OneSided":
        """Return both from a file that ``save`` wrote.

        Raises:
            DataError: the file is missing or is no such file.
        """
        path = Path(path)
        try:
            arrays = load_file(path)
            return cls(*(_side(modality, arrays) for modality in cls._fields))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            expected = "a file that the stage `features` wrote; `dvc repro` writes one of an earlier version again"
            raise DataError(f"{path}: {in_words(error)}; expected {expected}") from error


def _side(modality: str, arrays: dict[str, NDArray[Any]]) -> OneSide:
    """The clips of one modality."""
    texts = {name: unpack_texts(arrays, f"{modality}.{name}") for name in TEXTS}
    return OneSide(**texts, features=arrays[f"{modality}.features"])


NO_CLIPS = OneSided(OneSide.empty(), OneSide.empty())
