"""Class probabilities: a classifier a modality, compared by what each says of the class and by nothing else."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional

from pipeline.errors import DataError
from pipeline.model_parts.base import History, Pairs, learnt_pairs, with_equal_norms
from pipeline.model_parts.deep import DEEP_SEARCH, DeepModel, DeepParams
from pipeline.model_parts.layers import HIDDEN_SEARCH, PerceptronEncoder, PerceptronParams
from pipeline.model_parts.network import Network
from pipeline.model_parts.row_blocks import TrainRows, over_rows
from pipeline.model_parts.search_space import SearchSpace
from pipeline.model_parts.streamed import NeedsMemoryError, StreamedPairs
from pipeline.settings.device import one_thread
from pipeline.settings.paths import AnyPath

SEARCH: SearchSpace = {
    **DEEP_SEARCH,
    **HIDDEN_SEARCH,
    "classifier": ["logistic", "mlp"],
    "l2_penalty": ("loguniform", 1e-2, 1e3),
}


class Params(DeepParams, PerceptronParams):
    """Section ``baselines.label_probabilities`` of params.yaml.

    Attributes:
        classifier: multinomial logistic regression, in which inputs and ``l2_penalty`` count, or a perceptron, in which
            inputs and all else do.
        l2_penalty: on the squared weights, beside the sum of the train rows' losses; 1 / C of scikit-learn.
        similarity: of two clips' probabilities: their dot product, which is the probability that independent draws
            agree on the class, or their cosine, which forgets how sure a classifier is.
    """

    classifier: Literal["logistic", "mlp"]
    l2_penalty: PositiveFloat
    similarity: Literal["dot", "cosine"]


class ProbabilityNetwork(Network):
    """Two classifiers that share nothing but the classes."""

    audio: PerceptronEncoder
    visual: PerceptronEncoder

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes)
        blocks = params if params.classifier == "mlp" else params.model_copy(update={"n_hidden_layers": 0})
        self.audio = PerceptronEncoder(audio_width, n_classes, blocks)
        self.visual = PerceptronEncoder(visual_width, n_classes, blocks)
        self.params = params
        self.register_buffer("longest", torch.ones((), dtype=torch.float64))

    def prepare(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> tuple[Tensor, Tensor]:
        """Prepare all train features (n, width); a logistic regression is fitted here and now."""
        prepared = super().prepare(audio, visual, labels_onehot)
        if self.params.classifier == "logistic":
            labels = labels_onehot.argmax(dim=1).cpu().numpy()
            _regress(self.audio, audio, labels, self.params.l2_penalty)
            _regress(self.visual, visual, labels, self.params.l2_penalty)
        return prepared

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the cross entropy of both classifiers, added: a scalar."""
        of_audio = functional.cross_entropy(self.audio(audio), labels_onehot)
        return of_audio + functional.cross_entropy(self.visual(visual), labels_onehot)

    def finish_epoch(self, audio: TrainRows, visual: TrainRows) -> None:
        """Note the norm of the surest of the train rows (n, width)."""
        super().finish_epoch(audio, visual)
        views = (self.embed_audio, audio), (self.embed_visual, visual)
        norms = [over_rows(partial(_norms, embed), rows).max() for embed, rows in views]
        self.get_buffer("longest").copy_(torch.stack(norms).max())

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Return (n, n_classes) probabilities of (n, audio width) features."""
        return functional.softmax(self.audio(audio), dim=1)

    def embed_visual(self, visual: Tensor) -> Tensor:
        """Return (n, n_classes) probabilities of (n, visual width) features."""
        return functional.softmax(self.visual(visual), dim=1)


class Model(DeepModel):
    """Semantic matching: each modality is mapped to class probabilities by itself, and these are compared.

    The paper's: multinomial logistic regression a modality, and a similarity of the probability vectors.
    Our choices: the dot product; with equal norms, so that cosine ranks as it does; a perceptron as an alternative.

    References:
        Rasiwasia, Costa Pereira, Coviello, Doyle, Lanckriet, Levy & Vasconcelos (2010), A New Approach to Cross-Modal
        Multimedia Retrieval, ACM Multimedia.
    """

    learns_from = "labels"
    params_class = Params
    network_class = ProbabilityNetwork
    _params: Params

    def fit(self, train: Pairs, validation: Pairs) -> History:
        """Return the history of learning from the pairs ``train``, (n, width) each; a logistic regression has none.

        Raises:
            DataError: the pairs cannot be used, or the loss is no longer finite.
        """
        if self._params.classifier == "mlp":
            return super().fit(train, validation)
        train = learnt_pairs(train, self.learns_from)
        if len(np.unique(train.labels)) < 2:
            raise DataError(f"train: one class, {train.labels[0]}; expected at least 2")
        audio, visual, labels_onehot = self._on_device(train)
        network = self._new_network([audio.shape[1], visual.shape[1], labels_onehot.shape[1]]).eval()
        network.prepare(audio, visual, labels_onehot)
        with torch.inference_mode():
            network.finish_epoch(audio, visual)
        self._network = network
        return []

    def fit_streamed(self, train: StreamedPairs, validation: StreamedPairs, scratch: AnyPath) -> History:
        """Return the history of learning from pairs that stay in their file; see ``StreamedModel``.

        Raises:
            DataError: as ``fit``.
            DiskError: the disk of the folder ``scratch`` is full or fails.
            NeedsMemoryError: the classifier is a logistic regression, which takes all rows at once.
        """
        if self._params.classifier == "logistic":
            raise NeedsMemoryError(len(train.labels), "classifier: mlp, or fewer clips")
        return super().fit_streamed(train, validation, scratch)

    def embed_audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_classes) probabilities of (n, audio width) features, with two columns more for the dot product.

        Raises:
            DataError: the model is not fitted, or the features have another width or are not finite.
        """
        return self._comparable(super().embed_audio(audio), "audio")

    def embed_visual(self, visual: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_classes) probabilities of (n, visual width) features, with two columns more for the dot product.

        Raises:
            DataError: as ``embed_audio``.
        """
        return self._comparable(super().embed_visual(visual), "visual")

    def _comparable(
        self, probabilities: NDArray[np.float32], modality: Literal["audio", "visual"]
    ) -> NDArray[np.float32]:
        """Probabilities whose cosine across the modalities is the similarity that the parameters ask for."""
        if self._params.similarity == "cosine":
            return probabilities
        return with_equal_norms(probabilities, self._fitted().get_buffer("longest").item(), modality)


def _norms(embed: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """The norms (n,) of the embeddings of rows."""
    norms: Tensor = embed(rows).norm(dim=1)
    return norms


def _regress(encoder: PerceptronEncoder, features: Tensor, labels: NDArray[np.int64], l2_penalty: float) -> None:
    """Make an encoder without hidden layers the logistic regression of the labels; a class without rows gets 0."""
    prepared = encoder.prepared(features).double().cpu().numpy()  # (n, width)
    with one_thread():
        fitted = LogisticRegression(C=1 / l2_penalty, max_iter=1000).fit(prepared, labels)
    weights, biases = fitted.coef_, fitted.intercept_  # (n_classes, width), (n_classes,)
    if len(fitted.classes_) == 2:  # of the second class against the first
        weights, biases = np.vstack([-weights, weights]) / 2, np.hstack([-biases, biases]) / 2
    state = {name: torch.zeros_like(value) for name, value in encoder.layers.state_dict().items()}
    weight, bias = state["0.weight"], state["0.bias"].fill_(-torch.inf)
    weight[fitted.classes_] = torch.from_numpy(weights).to(weight)
    bias[fitted.classes_] = torch.from_numpy(biases).to(bias)
    encoder.layers.load_state_dict(state)
