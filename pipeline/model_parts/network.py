"""The network of every deep model: two encoders that embed each modality by itself, and the loss that trains them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.model_parts.collapse import BranchExtent, extent
from pipeline.model_parts.layers import FeatureEncoder
from pipeline.model_parts.row_blocks import FileRows, TrainRows, row_blocks
from pipeline.settings.device import one_thread


class Network(nn.Module, ABC):
    """Two encoders that embed each modality by itself, and the loss that trains them.

    Attributes:
        audio: encoder of the audio features; a subclass lays it out.
        visual: likewise of the visual features.
        sizes: audio width, visual width and number of classes, kept with the weights so that ``load`` can lay the
            network out again.
        n_epochs_done: finished epochs, for weights that change in the course of the training.
        held_out: audio and visual features (n, width) of validation pairs, a thousand at most, for a fusion that
            weighs its parts by them.
        remedy: what to change where training has collapsed a branch.
    """

    remedy: ClassVar[str] = "a lower learning_rate, dropout or weight_decay, or other weights of its losses"

    audio: FeatureEncoder
    visual: FeatureEncoder
    sizes: Tensor
    held_out: tuple[Tensor, Tensor]

    def __init__(self, audio_width: int, visual_width: int, n_classes: int) -> None:
        """Note the sizes; a subclass takes its ``Params`` as a fourth argument and lays out the layers."""
        super().__init__()
        self.register_buffer("sizes", torch.tensor([audio_width, visual_width, n_classes]))
        self.n_epochs_done = 0
        self._all_labelled = True  # of the train rows

    @abstractmethod
    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the training loss, a scalar, of (n, audio width), (n, visual width) and (n, n_classes).

        A clip without a label has a row of zeros; where none has one, there are no classes.
        In training mode the features are those that ``prepare`` returned.
        """

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Return (n, k) embeddings of (n, audio width) features."""
        embedding: Tensor = self.audio(audio)
        return embedding

    def embed_visual(self, visual: Tensor) -> Tensor:
        """Return (n, k) embeddings of (n, visual width) features."""
        embedding: Tensor = self.visual(visual)
        return embedding

    def prepare(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> tuple[Tensor, Tensor]:
        """Return all train features prepared, (n, width) each, after the encoders took their statistics from them."""
        self._all_labelled = bool(labels_onehot.any(dim=1).all())
        with one_thread():
            self.audio.prepare_by(audio, labels_onehot)
            self.visual.prepare_by(visual, labels_onehot)
            return self.audio.prepared(audio), self.visual.prepared(visual)

    def prepare_by_file(self, audio: FileRows, visual: FileRows, labels: Tensor, n_classes: int) -> None:
        """Take the encoders' statistics from train features in a file, (n, width) each, of (n,) classes, -1: none."""
        self._all_labelled = bool((labels >= 0).all())
        self.note_classes(labels.cpu().numpy())
        with one_thread():
            self.audio.prepare_by_file(audio, labels, n_classes)
            self.visual.prepare_by_file(visual, labels, n_classes)

    def note_classes(self, labels: NDArray[np.int64]) -> None:
        """Note the classes (n,) of the train rows, -1 for none: a subclass does, whose ``finish_epoch`` needs them."""

    def of_labelled(
        self, loss: Callable[[Tensor, Tensor, Tensor], Tensor], audio: Tensor, visual: Tensor, labels_onehot: Tensor
    ) -> Tensor:
        """Return a loss of those rows (n, width) of a minibatch that have a label, a scalar; of none it is 0."""
        if self._all_labelled:
            return loss(audio, visual, labels_onehot)
        is_labelled = labels_onehot.any(dim=1)
        if not is_labelled.any():
            return 0 * (audio.sum() + visual.sum())  # with a gradient, of 0
        return loss(audio[is_labelled], visual[is_labelled], labels_onehot[is_labelled])

    def extents(self, audio: Tensor, visual: Tensor) -> dict[str, BranchExtent]:
        """Return how each branch embeds (n, width) features, by modality and branch; called in eval mode."""
        with one_thread():
            return {
                f"{modality} {branch}".strip(): extent(embeddings)
                for modality, encoder, features in (("audio", self.audio, audio), ("visual", self.visual, visual))
                for branch, embeddings in _branches(encoder, features).items()
            }

    def finish_epoch(self, audio: TrainRows, visual: TrainRows) -> None:
        """Count the epoch; called in eval mode with all train features (n, width), it may set buffers."""
        self.n_epochs_done += 1


def class_numbers(labels_onehot: Tensor) -> NDArray[np.int64]:
    """Return the classes (n,) of one-hot labels (n, n_classes), -1 for a row of zeros."""
    has_none = 1 - labels_onehot.sum(dim=1, keepdim=True)
    numbers: NDArray[np.int64] = torch.cat([has_none, labels_onehot], dim=1).argmax(dim=1).cpu().numpy() - 1
    return numbers


def _branches(encoder: FeatureEncoder, features: Tensor) -> dict[str, Tensor]:
    """The embeddings (n, k) of (n, width) features by branch, computed some rows at a time."""
    blocks = [encoder.branches(block) for block in row_blocks(features)]
    return {branch: torch.cat([block[branch] for block in blocks]) for branch in blocks[0]}
