"""What the deep rivals share whose embeddings are canonical variates: a network with a linear CCA as its last layer."""

from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from pipeline import linalg
from pipeline.model_parts.deep import DEEP_SEARCH, DeepParams
from pipeline.model_parts.layers import HIDDEN_SEARCH, PerceptronEncoder, PerceptronParams
from pipeline.model_parts.network import Network, class_numbers
from pipeline.model_parts.row_blocks import TrainRows, over_rows
from pipeline.model_parts.search_space import SearchSpace

CCA_SEARCH: SearchSpace = (
    DEEP_SEARCH | HIDDEN_SEARCH | {"n_components": ("randint", 5, 33), "ridge": ("loguniform", 1e-3, 1.0)}
)


class CcaParams(DeepParams, PerceptronParams):
    """What a network is made with whose outputs a linear CCA turns into embeddings.

    Attributes:
        output_width: outputs of an encoder.
        n_components: width of the embedding; where the CCA has fewer directions, the others are 0.
        ridge: of the linear CCA, as a share of the mean variance of the outputs.
    """

    output_width: PositiveInt
    n_components: PositiveInt
    ridge: PositiveFloat

    @model_validator(mode="after")
    def _outputs_have_the_components(self) -> Self:
        if self.n_components > self.output_width:
            raise ValueError(f"n_components={self.n_components}; expected at most {self.output_width}, output_width")
        return self


class CcaLayer(nn.Module):
    """The linear CCA of the outputs of two encoders, as a last layer: no gradient reaches it, ``keep`` sets it."""

    def __init__(self, width: int, n_components: int, dtype: torch.dtype = torch.float32) -> None:
        """Make room for ``n_components`` directions of outputs of ``width``, computed in ``dtype``."""
        super().__init__()
        for modality in ("audio", "visual"):
            self.register_buffer(f"{modality}_centre", torch.zeros(width, dtype=dtype))
            self.register_buffer(f"{modality}_projection", torch.zeros(width, n_components, dtype=dtype))

    def keep(self, fitted: linalg.Cca) -> None:
        """Take means and projections; components that the CCA lacks are 0 and change no cosine."""
        kept = {"audio": (fitted.x_mean, fitted.x_projection), "visual": (fitted.y_mean, fitted.y_projection)}
        for modality, (mean, projection) in kept.items():
            self.get_buffer(f"{modality}_centre").copy_(torch.from_numpy(mean))
            columns = self.get_buffer(f"{modality}_projection").zero_()
            columns[:, : projection.shape[1]] = torch.from_numpy(projection)

    def variates(self, outputs: Tensor, modality: Literal["audio", "visual"]) -> Tensor:
        """Return (n, n_components) canonical variates of (n, width) outputs of one encoder, in their dtype."""
        centre = self.get_buffer(f"{modality}_centre")
        return ((outputs.to(centre) - centre) @ self.get_buffer(f"{modality}_projection")).to(outputs)


class CcaNetwork(Network):
    """Two perceptrons, and the linear CCA of their outputs for the train rows, fitted anew after every epoch."""

    params: CcaParams

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: CcaParams) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes)
        self.audio = PerceptronEncoder(audio_width, params.output_width, params)
        self.visual = PerceptronEncoder(visual_width, params.output_width, params)
        self.cca = CcaLayer(params.output_width, params.n_components)
        self.params = params

    def solve(self, audio: NDArray[np.float32], visual: NDArray[np.float32], labels: NDArray[np.int64]) -> linalg.Cca:
        """Return the CCA of all pairs of a class of (n, output_width) outputs of the train rows of (n,) labels."""
        return linalg.cluster_cca(audio, visual, labels, labels, self.params.n_components, self.params.ridge)

    def prepare(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> tuple[Tensor, Tensor]:
        """Prepare all train features (n, width), and note the classes of their rows."""
        self.note_classes(class_numbers(labels_onehot))
        return super().prepare(audio, visual, labels_onehot)

    def note_classes(self, labels: NDArray[np.int64]) -> None:
        """Note the classes (n,) of the train rows."""
        self._train_labels = labels

    def finish_epoch(self, audio: TrainRows, visual: TrainRows) -> None:
        """Fit the CCA on the outputs of all train rows (n, width)."""
        super().finish_epoch(audio, visual)
        views = (self.audio, audio), (self.visual, visual)
        x, y = (over_rows(encoder, rows).cpu().numpy() for encoder, rows in views)  # (n, output_width) each
        self.cca.keep(self.solve(x, y, self._train_labels))

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Return (n, n_components) canonical variates of (n, audio width) features."""
        return self.cca.variates(self.audio(audio), "audio")

    def embed_visual(self, visual: Tensor) -> Tensor:
        """Return (n, n_components) canonical variates of (n, visual width) features."""
        return self.cca.variates(self.visual(visual), "visual")
