"""Cluster deep CCA: deep CCA of every audio with every visual of its class, so that the networks learn from labels."""

from pydantic import PositiveFloat
from torch import Tensor

from pipeline.model_parts import losses
from pipeline.model_parts.cca_layer import CCA_SEARCH, CcaNetwork, CcaParams
from pipeline.model_parts.deep import DeepModel
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **CCA_SEARCH,
    "learning_rate": ("loguniform", 1e-3, 0.3),  # a batch is most or all of the rows: few steps
    "loss_ridge": ("loguniform", 1e-3, 1.0),
}


class Params(CcaParams):
    """Section ``baselines.c_dcca`` of params.yaml.

    Attributes:
        loss_ridge: of the correlations that the networks learn from, as a share of the mean variance of the outputs.
    """

    loss_ridge: PositiveFloat


class ClusterDccaNetwork(CcaNetwork):
    """Two perceptrons that learn from the correlations of all pairs of a class, and the CCA of those."""

    params: Params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return minus the sum of the correlations of the components that the embedding keeps, a scalar."""
        outputs = self.audio(audio), self.visual(visual)  # (n, output_width) each
        return losses.cluster_cca_loss(*outputs, labels_onehot, self.params.n_components, self.params.loss_ridge)


class Model(DeepModel):
    """Supervised deep canonical correlation analysis.

    The paper's: deep CCA on pairs of clips of one class, and a linear CCA of the outputs.
    Our choices: every pair of a class in the batch, in closed form, where the paper draws pairs; the linear CCA sees
    all pairs of a class too; ridges relative to the variance; AdamW and the sizes.

    References:
        Zeng, Yu & Oyama (2018), Audio-Visual Embedding for Cross-Modal Music Video Retrieval through Supervised Deep
        CCA, IEEE International Symposium on Multimedia.
        Rasiwasia, Mahajan, Mahadevan & Aggarwal (2014), Cluster canonical correlation analysis, AISTATS.
    """

    learns_from = "labels"
    params_class = Params
    network_class = ClusterDccaNetwork
