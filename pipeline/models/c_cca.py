"""Cluster-CCA: CCA of every audio with every visual of its class, so that classes correlate and not clips alone."""

import numpy as np

from pipeline import linalg
from pipeline.model_parts.base import Pairs
from pipeline.model_parts.linear import LinearModel, LinearParams
from pipeline.model_parts.search_space import SearchSpace
from pipeline.model_parts.streamed import StreamedPairs
from pipeline.model_parts.streamed_covariances import covariances_within_classes

SEARCH: SearchSpace = {"n_components": ("randint", 3, 33), "ridge": ("loguniform", 1e-4, 10.0)}


class Params(LinearParams):
    """Section ``baselines.c_cca`` of params.yaml."""


class Model(LinearModel):
    """CCA whose pairs are all those within a class; at most as many components as classes, less one.

    References:
        Rasiwasia, Mahajan, Mahadevan & Aggarwal (2014), Cluster canonical correlation analysis, AISTATS.
    """

    params_class, learns_from = Params, "labels"

    def _solve(self, train: Pairs) -> linalg.Cca:
        n_components, ridge = self._params.n_components, self._params.ridge
        return linalg.cluster_cca(train.audio, train.visual, train.labels, train.labels, n_components, ridge)

    def _solve_streamed(self, train: StreamedPairs) -> linalg.Cca:
        n_directions = min(len(np.unique(train.labels)) - 1, train.audio.shape[1], train.visual.shape[1])
        n_components = min(self._params.n_components, n_directions)
        return linalg.cca_from_covariances(covariances_within_classes(train), n_components, self._params.ridge)
