"""CCA: the linear map of each modality under which audio and visual of one clip correlate most."""

from pipeline import linalg
from pipeline.model_parts.base import Pairs
from pipeline.model_parts.linear import LinearModel, LinearParams
from pipeline.model_parts.search_space import SearchSpace
from pipeline.model_parts.streamed import StreamedPairs
from pipeline.model_parts.streamed_covariances import covariances_of_pairs

SEARCH: SearchSpace = {"n_components": ("randint", 5, 41), "ridge": ("loguniform", 1e-4, 10.0)}


class Params(LinearParams):
    """Section ``baselines.cca`` of params.yaml."""


class Model(LinearModel):
    """CCA of the clips' own pairs.

    References:
        Hotelling (1936), Relations between two sets of variates, Biometrika 28.

    Example:
        >>> import numpy as np
        >>> clips = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
        >>> train = Pairs(clips[:, :2], clips[:, 1:], np.arange(50) % 2)  # column 1 is in both modalities
        >>> model = Model(Params(n_components=1, ridge=0.0), seed=0)
        >>> model.fit(train, train)
        []
        >>> bool(np.allclose(model.embed_audio(train.audio), model.embed_visual(train.visual), atol=1e-4))
        True
    """

    params_class, learns_from = Params, "pairs"

    def _solve(self, train: Pairs) -> linalg.Cca:
        return linalg.cca(train.audio, train.visual, self._n_components(train), self._params.ridge)

    def _solve_streamed(self, train: StreamedPairs) -> linalg.Cca:
        return linalg.cca_from_covariances(covariances_of_pairs(train), self._n_components(train), self._params.ridge)

    def _n_components(self, train: Pairs | StreamedPairs) -> int:
        """As many as are asked for, or as there are directions."""
        return min(self._params.n_components, train.audio.shape[1], train.visual.shape[1])
