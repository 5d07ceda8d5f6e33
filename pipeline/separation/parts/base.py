"""What every separator offers, and how one is found by its name."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ParamsError
from pipeline.separation.heard import NO_FILM, NO_PICTURES, Facts
from pipeline.separation.material import Material, TrainingStream
from pipeline.separation.parts.checkpoint import NO_CHECKPOINT, Checkpoint
from pipeline.settings.paths import AnyPath

TrainingHistory = list[dict[str, float]]
"""One dict each time the training is looked at: ``{"step": 40, "loss": 1.2, "validation_loss": 1.3}``."""


class View(NamedTuple):
    """What is seen of one source over the time of a mixture; of no picture where the task does not cut it.

    Attributes:
        mouth: uint8 (n_pictures, size, size), grey, at ``views.mouth_fps``.
        face: uint8 (n_faces, size, size, 3), some pictures of the face.
        frames: uint8 (n_frames, size, size, 3), whole pictures at ``views.frames_fps``.
    """

    mouth: NDArray[np.uint8] = NO_FILM
    face: NDArray[np.uint8] = NO_PICTURES
    frames: NDArray[np.uint8] = NO_PICTURES

    @property
    def is_blank(self) -> bool:
        """Whether all pictures of a kind are of one brightness, so that nothing is seen of the source."""
        return all(not pictures.size or np.ptp(pictures) == 0 for pictures in self)


class Separator(Protocol):
    """A model that takes a mixture apart.

    Attributes:
        uses_views: whether it looks at the sources; one that does not gives them in an order of its own.
        needs: at which fields of a view it looks.
        fewest_views: how many it has to be shown: two where it compares sources.
        facts: how the sounds and views were cut that it was trained on; None before.
    """

    uses_views: ClassVar[bool]
    needs: ClassVar[tuple[str, ...]]
    fewest_views: ClassVar[int]
    facts: Facts | None

    def __init__(self, params: Any, seed: int) -> None:  # noqa: ANN401 - each separator has params of its own
        """Hold the separator's own params, and the seed of every random choice in ``fit``."""
        ...

    def fit(
        self, train: TrainingStream, validation: Material, checkpoint: Checkpoint = NO_CHECKPOINT
    ) -> TrainingHistory:
        """Return the history of learning from ``train``; ``validation`` may only choose between steps.

        Args:
            train: what is learnt from.
            validation: what chooses.
            checkpoint: where a killed training goes on from.
        """
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


@runtime_checkable
class StagedSeparator(Protocol):
    """A separator that also gives what it makes in other ways, each a row of metrics.json: `amnet_appearance`.

    Attributes:
        ways: their names.
    """

    ways: ClassVar[tuple[str, ...]]

    def separate_by(self, way: str, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        """Return sounds (n_views, n_samples) as ``separate`` does, made in one of ``ways``."""
        ...


@runtime_checkable
class LocatingSeparator(Protocol):
    """A separator that also says where in the frames a sound comes from, and whether it fits what moves there."""

    def heat(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        """Return (n_views, n_frames, height, width) of the frames of each view, at least 0 and larger where it sounds.

        Height and width are those of the network's maps; stretched over the picture they lie as it does.
        """
        ...

    def distances(self, sounds: NDArray[np.float32], frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n,) how far sounds (n, n_samples) are from films (n, n_frames, size, size, 3) in time."""
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


def first_that_looks(names: Iterable[str]) -> str:
    """Return the first separator that looks at the sources; the first one where none does."""
    known = list(names)
    return next((name for name in known if separator_module(name).Separator.uses_views), known[0])
