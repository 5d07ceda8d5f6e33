"""What the models in closed form share."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt

from pipeline import linalg
from pipeline.errors import DataError
from pipeline.model_parts.base import History, LearnsFrom, Pairs, check_features, learnt_pairs
from pipeline.model_parts.saving import load_model, save_model
from pipeline.model_parts.streamed import StreamedPairs, learnt_rows
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath


class LinearParams(StageParams):
    """What a linear model is made with.

    Attributes:
        n_components: directions, at most; more than there are, are left out.
        ridge: added to each variance, as a share of the modality's mean variance.
    """

    n_components: PositiveInt
    ridge: NonNegativeFloat


class LinearModel(ABC):
    """A model in closed form: canonical variates as embeddings, each of unit variance on train.

    The correlations do not weigh them. A subclass names its ``Params`` and what it learns from, and solves.
    """

    params_class: type[LinearParams]
    learns_from: ClassVar[LearnsFrom]

    def __init__(self, params: LinearParams, seed: int) -> None:
        """Hold params; a closed form draws no random number, so the seed is only kept beside the arrays."""
        self._params, self._seed = params, seed
        self._cca: linalg.Cca | None = None

    @abstractmethod
    def _solve(self, train: Pairs) -> linalg.Cca:
        """The projections of both modalities, from the train clips."""

    def fit(self, train: Pairs, validation: Pairs) -> History:
        """Solve on ``train``, pairs of (n, width) features; the history of a closed form is empty.

        Raises:
            DataError: the pairs cannot be used, or a covariance is singular with this ridge.
        """
        self._cca = self._solve(learnt_pairs(train, self.learns_from))
        return []

    @abstractmethod
    def _solve_streamed(self, train: StreamedPairs) -> linalg.Cca:
        """The projections of both modalities, from train clips whose features lie in their file."""

    def fit_streamed(self, train: StreamedPairs, validation: StreamedPairs, scratch: AnyPath) -> History:
        """Solve on ``train``, whose features lie in their file, some rows at a time; see ``StreamedModel``.

        Raises:
            DataError: as ``fit``.
        """
        self._cca = self._solve_streamed(learnt_rows(train, self.learns_from))
        return []

    def embed_audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) variates of audio features (n, audio width).

        Raises:
            DataError: the model is not fitted, or the features have another width or are not finite.
        """
        fitted = self._fitted()
        check_features(audio, len(fitted.x_mean), "audio")
        return fitted.x_variates(audio).astype(np.float32)

    def embed_visual(self, visual: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) variates of visual features (n, visual width).

        Raises:
            DataError: as ``embed_audio``.
        """
        fitted = self._fitted()
        check_features(visual, len(fitted.y_mean), "visual")
        return fitted.y_variates(visual).astype(np.float32)

    def save(self, path: AnyPath) -> None:
        """Write projections, means and correlations.

        Raises:
            DataError: the model is not fitted.
        """
        save_model(path, self._params, self._seed, self._fitted()._asdict())

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Return the model that ``save`` wrote.

        Raises:
            DataError: the file is missing or is not of this model.
        """
        params, seed, arrays = load_model(path, cls.params_class)
        model = cls(params, seed)
        model._cca = linalg.Cca(**arrays)
        return model

    def _fitted(self) -> linalg.Cca:
        """The solution, which must be there."""
        if self._cca is None:
            raise DataError("model is not fitted; expected fit or load before embed and save")
        return self._cca
