"""What every model offers, how one is found by its name, and the one file format all of them are saved in."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from pipeline.errors import DataError, ParamsError
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath

History = list[dict[str, float]]
"""One dict a training epoch, such as ``{"epoch": 0, "loss": 1.2, "validation_map": 0.4}``; empty for a closed form."""

LearnsFrom = Literal["pairs", "labels", "both", "nothing"]
"""What a model learns from: ``pairs``; ``labels``, without which it cannot be fitted; ``both``, whichever is there."""

Params = TypeVar("Params", bound=StageParams)
Seed = Annotated[int, Field(ge=0, lt=2**64)]  # as torch takes them


class Pairs(NamedTuple):
    """Clips as paired features: row i of both modalities, and label i, belong to one clip.

    Attributes:
        audio: (n, audio width) float32.
        visual: (n, visual width) float32.
        labels: (n,) int64 in 0..n_classes - 1; -1 where the class is not known.
    """

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    labels: NDArray[np.int64]

    def labelled(self) -> "Pairs":
        """Return the clips whose class is known: (m, width) features of (n, width)."""
        known = self.labels >= 0
        return self if known.all() else Pairs(self.audio[known], self.visual[known], self.labels[known])

    def drawn(self, n_most: int, seed: int) -> "Pairs":
        """Return all pairs (n, width) if they are few, else a draw of ``n_most`` of them in their order."""
        if len(self.labels) <= n_most:
            return self
        rows = drawn_rows(len(self.labels), n_most, seed)
        return Pairs(self.audio[rows], self.visual[rows], self.labels[rows])


def drawn_rows(n_rows: int, n_most: int, seed: int) -> NDArray[np.int64]:
    """Return so many of 0..n_rows - 1, (n_most,), drawn by the seed and rising."""
    return np.sort(np.random.default_rng(seed).choice(n_rows, n_most, replace=False))


class Model(Protocol):
    """Two encoders into one space in which cosine similarity compares audio with visual.

    A clip's embedding of one modality depends on that clip's features of that modality and on nothing else.

    Attributes:
        learns_from: what of the train clips it learns from; clips without a label are passed over by one of ``labels``,
            and by the losses that need one in a model of ``both``.
    """

    learns_from: ClassVar[LearnsFrom]

    def __init__(self, params: Any, seed: int) -> None:  # noqa: ANN401 - each model has Params of its own
        """Hold the model's own ``Params``, and the seed of every random choice in ``fit``."""
        ...

    def fit(self, train: Pairs, validation: Pairs) -> History:
        """Return the history of learning from ``train``; ``validation`` may only choose between epochs.

        Its pairs, without their labels, may also weigh the parts of a fusion. Both are pairs of (n, audio width) and
        (n, visual width) features.
        """
        ...

    def embed_audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) embeddings of (n, audio width) features."""
        ...

    def embed_visual(self, visual: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) embeddings of (n, visual width) features."""
        ...

    def save(self, path: AnyPath) -> None:
        """Write the fitted model to one safetensors file; equal models give equal bytes."""
        ...

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Return the model that ``save`` wrote."""
        ...


def model_names() -> list[str]:
    """Return the names of all models, sorted: one a file of this folder, what they share apart."""
    stems = (file.stem for file in (Path(__file__).parents[1] / "models").glob("*.py"))
    return sorted(stem for stem in stems if stem != "__init__")


def model_module(name: str) -> ModuleType:
    """Return the module ``pipeline.models.NAME``, which holds the model's ``Params`` and ``Model``.

    Raises:
        ParamsError: there is no such model; the message lists those there are.
    """
    if name not in model_names():
        raise ParamsError(f"model {name!r}: no such model; expected one of {', '.join(model_names())}")
    return import_module(f"pipeline.models.{name}")


def check_pairs(pairs: Pairs, name: str) -> None:
    """Refuse pairs that no model can be fitted on.

    Args:
        pairs: what ``fit`` received, (n, width) features and (n,) labels.
        name: which pairs they are (``train`` or ``validation``), for the message.

    Raises:
        DataError: a modality is not a finite matrix, there is not one label and one row of each modality a clip, or a
            label is no whole number from 0, nor -1 for none.
    """
    check_features(pairs.audio, None, f"{name} audio")
    check_features(pairs.visual, None, f"{name} visual")
    n_rows = (len(pairs.audio), len(pairs.visual), len(pairs.labels))
    if len(set(n_rows)) > 1 or 0 in n_rows:
        raise DataError(f"{name}: {n_rows} rows of audio, visual and labels; expected the same number, at least 1")
    labels = pairs.labels
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < -1:
        raise DataError(
            f"{name} labels: {labels.dtype} of shape {labels.shape}, the lowest {labels.min()}; "
            "expected (n,) whole numbers from 0, or -1 for none"
        )


def learnt_pairs(train: Pairs, learns_from: LearnsFrom) -> Pairs:
    """Return the train clips that a model learns from: all, or those with a label.

    Args:
        train: what ``fit`` received, (n, width) features and (n,) labels.
        learns_from: of the model.

    Raises:
        DataError: the pairs cannot be used, or the model learns from labels and there is none.
    """
    check_pairs(train, "train")
    if learns_from != "labels":
        return train
    labelled = train.labelled()
    if not len(labelled.labels):
        raise DataError(f"train: none of {len(train.labels)} clips has a label; expected some, as the model needs them")
    return labelled


def check_features(features: NDArray[Any], width: int | None, name: str) -> None:
    """Refuse features that a model cannot take.

    Args:
        features: (n, width).
        width: what the model was fitted on; None before the fit, when any width will do.
        name: which features they are, for the message.

    Raises:
        DataError: not a matrix of that width, or a value that is NaN or infinite.
    """
    if features.ndim != 2 or features.shape[1] == 0 or width not in (None, features.shape[1]):
        raise DataError(f"{name}: shape {features.shape}; expected (n, {width or 'width'})")
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise DataError(f"{name}: row {row} has NaN or infinite values; expected finite numbers")


def with_equal_norms(rows: NDArray[Any], longest: float, modality: Literal["audio", "visual"]) -> NDArray[np.float32]:
    """Return rows whose cosine with the other modality's is the dot product that they had, over ``longest`` squared.

    Retrieval compares by cosine, and a model whose norms carry confidence by dot product. Two coordinates more make all
    norms equal, one used by each modality, so that they add nothing across: audio becomes ``[x, rest, 0]`` and visual
    ``[z, 0, rest]``. Within a modality the cosine is not the dot product.

    Args:
        rows: (n, k) float.
        longest: the norm that all rows get, above 0: the largest of the train rows of both modalities. A longer row is
            first shortened to it.
        modality: whose rows these are.

    Returns:
        (n, k + 2) float32.

    Example:
        >>> audio, visual = np.array([[0.6, 0.0]]), np.array([[0.5, 0.5]])
        >>> sounds, videos = with_equal_norms(audio, 1.0, "audio"), with_equal_norms(visual, 1.0, "visual")
        >>> round(float(sounds[0] @ videos[0]), 3), sounds.shape
        (0.3, (1, 4))
    """
    exact = rows.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)  # (n, 1)
    exact *= longest / np.maximum(norms, longest)
    rest = np.sqrt(longest**2 - np.minimum(norms, longest) ** 2)  # (n, 1)
    none = np.zeros_like(rest)
    extra = [rest, none] if modality == "audio" else [none, rest]
    return np.hstack([exact, *extra]).astype(np.float32)


class SeededParams(StageParams):
    """What a model is made with that draws random numbers.

    Attributes:
        seeds: one model is fitted for each.
    """

    seeds: Annotated[list[Seed], Field(min_length=1)]

    @field_validator("seeds")
    @classmethod
    def _each_once(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("expected each seed once, since the same seed gives the same model")
        return seeds
