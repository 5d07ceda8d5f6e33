"""Deep CCA: two networks that learn to make a clip's audio and visual outputs correlate, and the CCA of these."""

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat
from torch import Tensor

from pipeline import linalg
from pipeline.model_parts import losses
from pipeline.model_parts.cca_layer import CCA_SEARCH, CcaNetwork, CcaParams
from pipeline.model_parts.deep import DeepModel
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **CCA_SEARCH,
    "learning_rate": ("loguniform", 1e-3, 3e-2),  # a batch is most or all of the rows: few steps
    "loss_ridge": ("loguniform", 1e-3, 1.0),
}


class Params(CcaParams):
    """Section ``baselines.dcca`` of params.yaml.

    Attributes:
        loss_ridge: of the correlations that the networks learn from, as a share of the mean variance of the outputs.
    """

    loss_ridge: PositiveFloat


class DccaNetwork(CcaNetwork):
    """Two perceptrons that learn from the correlations of the clips' own pairs."""

    params: Params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return minus the sum of the correlations of the kept components, a scalar; labels play no part."""
        params = self.params
        return losses.cca_loss(self.audio(audio), self.visual(visual), params.n_components, params.loss_ridge)

    def solve(self, audio: NDArray[np.float32], visual: NDArray[np.float32], labels: NDArray[np.int64]) -> linalg.Cca:
        """Return the CCA of the clips' own pairs of outputs, (n, output_width) each."""
        return linalg.cca(audio, visual, self.params.n_components, self.params.ridge)


class Model(DeepModel):
    """Deep canonical correlation analysis.

    The paper's: a network a modality, trained on the sum of the canonical correlations of large batches, and a linear
    CCA of the outputs.
    Our choices: correlations of the kept components alone, as where the paper has fewer components than outputs; ridges
    relative to the variance, so that a network cannot escape them by larger outputs; AdamW, where the paper has
    pretraining and L-BFGS.

    References:
        Andrew, Arora, Bilmes & Livescu (2013), Deep Canonical Correlation Analysis, ICML.
        Wang, Arora, Livescu & Bilmes (2015), Unsupervised learning of acoustic features via deep canonical correlation
        analysis, ICASSP, for minibatches in place of the full batch.
    """

    learns_from = "pairs"
    params_class = Params
    network_class = DccaNetwork
