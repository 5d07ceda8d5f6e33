"""The numbers of metrics.json and the tables behind the plots, from the embeddings of the test clips."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from pipeline import retrieval
from pipeline.errors import DataError
from pipeline.params import StageParams

Cutoffs = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
Rows = list[dict[str, Any]]
Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[np.int64], NDArray[np.int64]]


class EvaluateParams(StageParams):
    """Section ``evaluate`` of params.yaml."""

    recall_at: Cutoffs
    scope_sizes: Cutoffs
    chance_permutations: Annotated[int, Field(ge=2)]
    seed: NonNegativeInt


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
    def load(cls, path: Path) -> "Embeddings":
        """Return the rows of the test split from a file that the stage ``embed`` wrote.

        Raises:
            DataError: the file is missing or is no such file, or has no test clip.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                test = file["splits"] == "test"
                audio, visual, labels = file["audio"][:, test], file["visual"][:, test], file["labels"][test]
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path}: {error!r}; expected embeddings that the stage `embed` wrote") from error
        if not test.any():
            raise DataError(f"{path}: no clip of the split 'test'; expected at least one")
        return cls(audio, visual, labels)

    def directions(self) -> dict[str, list["Arrays"]]:
        """Return query, gallery and their class numbers for each seed, by direction."""
        numbers = np.unique(self.labels, return_inverse=True)[1]
        seeds = list(zip(self.audio, self.visual, strict=True))
        return {
            "audio_to_visual": [(audio, visual, numbers, numbers) for audio, visual in seeds],
            "visual_to_audio": [(visual, audio, numbers, numbers) for audio, visual in seeds],
        }


def model_metrics(embeddings: Embeddings, params: EvaluateParams) -> dict[str, dict[str, float]]:
    """Return ``audio_to_visual``, ``visual_to_audio`` and ``average``, each a map of scalars in [0, 1].

    Every number is the mean over the seeds; ``map_std`` is the standard deviation of the MAP over them, 0 for one seed.
    """
    by_direction = {
        name: [retrieval.evaluate_retrieval(*arrays, params.recall_at) for arrays in seeds]
        for name, seeds in embeddings.directions().items()
    }
    by_direction["average"] = [
        {metric: (one[metric] + other[metric]) / 2 for metric in one}
        for one, other in zip(*by_direction.values(), strict=True)
    ]
    return {name: _over_seeds(seeds) for name, seeds in by_direction.items()}


def chance(embeddings: Embeddings, params: EvaluateParams) -> dict[str, float]:
    """Return ``map`` and ``map_std`` of rankings that know nothing: labels permuted at random."""
    numbers = np.unique(embeddings.labels, return_inverse=True)[1]
    result = retrieval.chance_map(numbers, numbers, params.chance_permutations, params.seed)
    return {"map": result.mean, "map_std": result.sd}


def precision_scope_rows(embeddings: Embeddings, scope_sizes: Sequence[int]) -> Rows:
    """Return a row a scope K: the mean precision among the first K results, each way; K above the gallery is left out.

    References:
        Zeng et al. (2023), whose figures show this curve.
    """
    scopes = [size for size in scope_sizes if size <= len(embeddings.labels)]
    curves = _seed_means(embeddings, lambda arrays: retrieval.precision_scope(*arrays, scopes))
    return [{"scope": size, **{name: curve[i] for name, curve in curves.items()}} for i, size in enumerate(scopes)]


def class_map_rows(embeddings: Embeddings) -> Rows:
    """Return a row a class: the MAP of its queries, each way."""
    maps = _seed_means(embeddings, lambda arrays: np.array(list(retrieval.per_class_map(*arrays).values())))
    classes = np.unique(embeddings.labels)
    return [{"class": label, **{name: values[i] for name, values in maps.items()}} for i, label in enumerate(classes)]


def confusion_rows(embeddings: Embeddings) -> Rows:
    """Return a row a query, of both directions and all seeds: its class, and the class of its nearest item."""
    classes = np.unique(embeddings.labels)
    rows: Rows = []
    for seeds in embeddings.directions().values():
        for query, gallery, numbers, _ in seeds:
            nearest = retrieval.nearest_class(query, gallery, numbers)
            pairs = zip(classes[numbers], classes[nearest], strict=True)
            rows += [{"actual": actual, "predicted": predicted} for actual, predicted in pairs]
    return rows


def _seed_means(
    embeddings: Embeddings, measure: Callable[[Arrays], NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """A measure's mean over the seeds, by direction."""
    return {
        name: np.mean([measure(arrays) for arrays in seeds], axis=0) for name, seeds in embeddings.directions().items()
    }


def _over_seeds(seeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of every metric, and the spread of the MAP."""
    means = {metric: float(np.mean([seed[metric] for seed in seeds])) for metric in seeds[0]}
    spread = float(np.std([seed["map"] for seed in seeds], ddof=1)) if len(seeds) > 1 else 0.0
    return {**means, "map_std": spread}
