"""TNN-C-CCA: networks trained on triplets across the modalities, and the cluster-CCA of their outputs."""

from typing import Literal

from pydantic import Field
from torch import Tensor

from pipeline.model_parts import losses
from pipeline.model_parts.cca_layer import CCA_SEARCH, CcaNetwork, CcaParams
from pipeline.model_parts.deep import DeepModel
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **CCA_SEARCH,
    "learning_rate": ("loguniform", 1e-3, 3e-2),
    "triplets": ["all", "hardest"],
    "margin": ("uniform", 0.1, 0.9),  # from 0.1, of width 0.9
    "output_width": [32, 64, 128],
}


class Params(CcaParams):
    """Section ``baselines.tnn_c_cca`` of params.yaml.

    Attributes:
        triplets: which of a batch count: all, or of each anchor the farthest positive and the nearest negative.
        margin: by which the cosine with a positive should exceed that with a negative.
    """

    triplets: Literal["all", "hardest"]
    margin: float = Field(gt=0, le=2)


class TripletNetwork(CcaNetwork):
    """Two perceptrons that learn from triplets across the modalities, and the CCA of all pairs of a class."""

    params: Params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the triplet loss of the outputs over anchors of both modalities, a scalar."""
        outputs = self.audio(audio), self.visual(visual)  # (n, output_width) each
        return losses.cross_modal_triplet_loss(*outputs, labels_onehot, self.params.margin, self.params.triplets)


class Model(DeepModel):
    """Deep triplet neural networks with cluster-CCA.

    The paper's: a network a modality trained with triplets across the modalities, then cluster-CCA of the outputs.
    Our choices: cosines in the triplet loss, because retrieval ranks by them; every triplet of the batch or the hardest
    ones; AdamW, and the sizes, near those of the authors' code (three layers of 100 and tanh).

    References:
        Zeng, Yu & Oyama (2020), Deep Triplet Neural Networks with Cluster-CCA for Audio-Visual Cross-modal Retrieval,
        ACM TOMM 16(3).
    """

    learns_from = "labels"
    params_class = Params
    network_class = TripletNetwork
