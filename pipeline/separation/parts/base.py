"""What every separator offers, and how one is found by its name."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ParamsError
from pipeline.separation.material import Facts, Material, TrainingStream
from pipeline.settings.paths import AnyPath

TrainingHistory = list[dict[str, float]]
"""One dict each time the training is looked at: ``{"step": 40, "loss": 1.2, "validation_loss": 1.3}``."""


class View(NamedTuple):
    """What is seen of one source over the time of a mixture.

    Attributes:
        mouth: uint8 (n_pictures, size, size), grey, at ``views.mouth_fps``.
        face: uint8 (n_faces, size, size, 3), some pictures of the face.
    """

    mouth: NDArray[np.uint8]
    face: NDArray[np.uint8]


class Separator(Protocol):
    """A model that takes a mixture apart.

    Attributes:
        uses_views: whether it looks at the sources; one that does not gives them in an order of its own.
        facts: how the sounds and views were cut that it was trained on; None before.
    """

    uses_views: ClassVar[bool]
    facts: Facts | None

    def __init__(self, params: Any, seed: int) -> None:  # noqa: ANN401 - each separator has params of its own
        """Hold the separator's own params, and the seed of every random choice in ``fit``."""
        ...

    def fit(self, train: TrainingStream, validation: Material) -> TrainingHistory:
        """Return the history of learning from ``train``; ``validation`` may only choose between steps."""
        ...

    def separate(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        """Return the sound of each view, (n_views, n_samples), of a mixture (n_samples,) at the separator's rate."""
        ...

    def save(self, path: AnyPath) -> None:
        """Write the fitted separator to one safetensors file; equal ones give equal bytes."""
        ...

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Return the separator that ``save`` wrote."""
        ...


@runtime_checkable
class FaceVoiceSeparator(Protocol):
    """A separator that also embeds faces and voices in one space, where those of one person are near."""

    def embed_faces(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return embeddings (n, width) of faces (n, size, size, 3)."""
        ...

    def embed_voices(self, sounds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return embeddings (n, width) of voices (n, n_samples)."""
        ...


def separator_names() -> list[str]:
    """Return the names of all separators, sorted: one a file of the folder ``separators``."""
    stems = (file.stem for file in (Path(__file__).parents[1] / "separators").glob("*.py"))
    return sorted(stem for stem in stems if stem != "__init__")


def separator_module(name: str) -> ModuleType:
    """Return the module ``pipeline.separation.separators.NAME``, which holds ``Params`` and ``Separator``.

    Raises:
        ParamsError: there is no such separator; the message lists those there are.
    """
    if name not in separator_names():
        raise ParamsError(f"separator {name!r}: no such separator; expected one of {', '.join(separator_names())}")
    return import_module(f"pipeline.separation.separators.{name}")
