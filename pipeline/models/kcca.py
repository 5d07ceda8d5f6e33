"""Kernel CCA: CCA in the feature spaces of two kernels, exact or through landmarks (Nystrom)."""

import math
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt
from scipy.linalg import eigh
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import pairwise_kernels

from pipeline import linalg
from pipeline.errors import DataError
from pipeline.linalg import FloatArray
from pipeline.model_parts.base import History, LearnsFrom, Pairs, SeededParams, check_features, check_pairs
from pipeline.model_parts.layers import INPUT_SEARCH, InputParams
from pipeline.model_parts.saving import load_model, save_model
from pipeline.model_parts.search_space import SearchSpace
from pipeline.model_parts.whitening import whitening_within_classes
from pipeline.settings.paths import AnyPath

SEARCH: SearchSpace = {
    **INPUT_SEARCH,
    "kernel": ["linear", "cosine", "rbf"],
    "width_factor": ("loguniform", 0.2, 5.0),
    "n_landmarks": [100, 300, 1000],
    "n_components": ("randint", 5, 33),
    "ridge": ("loguniform", 1e-3, 10.0),
}

_N_MEDIAN_ROWS = 1000


class Params(InputParams, SeededParams):
    """Section ``baselines.kcca`` of params.yaml.

    Attributes:
        kernel: of features prepared as ``inputs`` says.
        width_factor: standard deviation of the kernel ``rbf``, as a share of the median distance of train rows; beyond
            its limits clips are near themselves alone, or all of them near each other.
        n_landmarks: train rows that span the feature spaces; null for all of them, which is exact and takes time with
            the cube of their number.
        n_components: directions, at most; more than there are, are left out.
        ridge: added to each variance, as a share of the mean variance of a feature space's directions.
    """

    kernel: Literal["linear", "cosine", "rbf"]
    width_factor: Annotated[float, Field(ge=1e-6, le=1e6)]
    n_landmarks: PositiveInt | None
    n_components: PositiveInt
    ridge: PositiveFloat


class KernelMap(NamedTuple):
    """A modality's way into its kernel's feature space, or the part of it that the landmarks span.

    Attributes:
        mean: (width,) of the train features.
        scaling: (width, width); features less the mean times this are standardised, or whitened.
        length: (1,) of all rows behind that; 0: each keeps its own.
        landmarks: (m, width) prepared in this way.
        gamma: (1,) of the kernel rbf, ``exp(-gamma d^2)``.
        coordinates: (m, rank); a row's kernel values with the landmarks times these are its coordinates.
    """

    mean: FloatArray
    scaling: FloatArray
    length: FloatArray
    landmarks: FloatArray
    gamma: FloatArray
    coordinates: FloatArray

    def __call__(self, features: NDArray[np.floating], kernel: str) -> FloatArray:
        """Return (n, rank) coordinates of (n, width) features: their dot products are the kernel's values."""
        prepared = _of_length((features - self.mean) @ self.scaling, self.length)
        return _kernel(prepared, self.landmarks, kernel, self.gamma) @ self.coordinates


class Model:
    """Regularised kernel canonical correlation analysis of the clips' own pairs.

    The train rows' kernel values are dot products of as many coordinates as the kernel matrix has rank; linear CCA with
    a ridge on these is kernel CCA, and centring them is centring the kernel. With landmarks the coordinates are those
    of the rows' projections onto the landmarks' span.

    References:
        Hardoon, Szedmak & Shawe-Taylor (2004), Canonical Correlation Analysis: An Overview with Application to Learning
        Methods, Neural Computation 16.
        Williams & Seeger (2001), Using the Nystrom Method to Speed Up Kernel Machines, NeurIPS, for the landmarks.
    """

    learns_from: ClassVar[LearnsFrom] = "pairs"

    def __init__(self, params: Params, seed: int) -> None:
        """Hold the parameters, and the seed that draws the landmarks."""
        self._params, self._seed = params, seed
        self._fitted: tuple[KernelMap, KernelMap, linalg.Cca] | None = None

    def fit(self, train: Pairs, validation: Pairs) -> History:
        """Solve on ``train``, pairs of (n, width) features; the history of a closed form is empty.

        Raises:
            DataError: the pairs cannot be used, or all train rows of a modality are alike.
        """
        check_pairs(train, "train")
        rng = np.random.default_rng(self._seed)
        order = rng.permutation(len(train.labels))
        labels = train.labels[order]
        audio_map = fit_kernel_map(train.audio[order], labels, self._params, "train audio")
        visual_map = fit_kernel_map(train.visual[order], labels, self._params, "train visual")
        audio, visual = audio_map(train.audio, self._params.kernel), visual_map(train.visual, self._params.kernel)
        n_components = min(self._params.n_components, audio.shape[1], visual.shape[1])
        self._fitted = audio_map, visual_map, linalg.cca(audio, visual, n_components, self._params.ridge)
        return []

    def embed_audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) variates of audio features (n, audio width).

        Raises:
            DataError: the model is not fitted, or the features have another width or are not finite.
        """
        audio_map, _, cca = self._check_fitted()
        check_features(audio, len(audio_map.mean), "audio")
        return cca.x_variates(audio_map(audio, self._params.kernel)).astype(np.float32)

    def embed_visual(self, visual: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) variates of visual features (n, visual width).

        Raises:
            DataError: as ``embed_audio``.
        """
        _, visual_map, cca = self._check_fitted()
        check_features(visual, len(visual_map.mean), "visual")
        return cca.y_variates(visual_map(visual, self._params.kernel)).astype(np.float32)

    def save(self, path: AnyPath) -> None:
        """Write landmarks, coordinates and projections.

        Raises:
            DataError: the model is not fitted.
        """
        audio_map, visual_map, cca = self._check_fitted()
        arrays = {f"audio.{field}": value for field, value in audio_map._asdict().items()}
        arrays |= {f"visual.{field}": value for field, value in visual_map._asdict().items()}
        arrays |= {f"cca.{field}": value for field, value in cca._asdict().items()}
        save_model(path, self._params, self._seed, arrays)

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Return the model that ``save`` wrote.

        Raises:
            DataError: the file is missing or is not of this model.
        """
        params, seed, arrays = load_model(path, Params)
        parts: dict[str, dict[str, Any]] = {"audio": {}, "visual": {}, "cca": {}}
        for name, value in arrays.items():
            part, _, field = name.partition(".")
            parts[part][field] = value
        model = cls(params, seed)
        model._fitted = KernelMap(**parts["audio"]), KernelMap(**parts["visual"]), linalg.Cca(**parts["cca"])
        return model

    def _check_fitted(self) -> tuple[KernelMap, KernelMap, linalg.Cca]:
        """Both maps and the CCA, which must be there."""
        if self._fitted is None:
            raise DataError("model is not fitted; expected fit or load before embed and save")
        return self._fitted


def fit_kernel_map(features: NDArray[np.floating], labels: NDArray[np.int64], params: Params, name: str) -> KernelMap:
    """Return the map of one modality; the first ``n_landmarks`` rows are its landmarks.

    Args:
        features: (n, width) train features in random order.
        labels: (n,) their classes, -1 for none; only whitening looks at them.
        params: the inputs, the kernel, its width and the number of landmarks.
        name: which features they are, for the message.

    Raises:
        DataError: all rows are alike.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    scaling = _scaling(features - mean, labels, params)
    length = np.array([math.sqrt(features.shape[1]) if params.inputs == "unit" else 0.0])
    prepared = _of_length((features - mean) @ scaling, length)
    median_distance = float(np.median(pdist(prepared[:_N_MEDIAN_ROWS])))
    if not median_distance > 0:
        raise DataError(f"{name}: most rows are alike; expected a median distance above 0")
    gamma = np.array([0.5 / (params.width_factor * median_distance) ** 2])
    landmarks = prepared[: params.n_landmarks]
    eigenvalues, eigenvectors = eigh(_kernel(landmarks, landmarks, params.kernel, gamma))
    of_rank = eigenvalues > len(landmarks) * np.finfo(np.float64).eps * eigenvalues[-1]
    coordinates = eigenvectors[:, of_rank] / np.sqrt(eigenvalues[of_rank])
    return KernelMap(mean, scaling, length, landmarks, gamma, coordinates)


def _scaling(centred: FloatArray, labels: NDArray[np.int64], params: Params) -> FloatArray:
    """The matrix (width, width) that standardises centred features, whitens them, or does one after the other."""
    deviation = np.ones(centred.shape[1]) if params.inputs == "unit" else centred.std(axis=0)
    scaling = np.diag(1 / np.where(deviation > 0, deviation, 1.0))
    if params.inputs == "standardised":
        return scaling
    labels_onehot = torch.from_numpy(np.eye(labels.max() + 2)[labels + 1, 1:])  # (n, n_classes), zeros for no label
    standard = torch.from_numpy(centred @ scaling)
    whitening: FloatArray = whitening_within_classes(standard, labels_onehot, params.whitening_ridge).numpy()
    return scaling @ whitening


def _of_length(rows: FloatArray, length: FloatArray) -> FloatArray:
    """Rows (n, width) of one length; with 0 as they are."""
    if not length.item():
        return rows
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows * length / np.maximum(norms, np.finfo(np.float64).tiny))


def _kernel(rows: FloatArray, landmarks: FloatArray, kernel: str, gamma: FloatArray) -> FloatArray:
    """Kernel values (n, m) of prepared rows with the landmarks."""
    if not len(rows):  # which scikit-learn refuses
        return np.empty((0, len(landmarks)))
    width = {"gamma": gamma.item()} if kernel == "rbf" else {}
    return np.asarray(pairwise_kernels(rows, landmarks, metric=kernel, **width))
