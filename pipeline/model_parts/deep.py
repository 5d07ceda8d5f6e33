"""What the deep rivals share: a network of two encoders, trained on pairs, stopped early, saved with its sizes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import DataError
from pipeline.model_parts import distributed, training
from pipeline.model_parts.base import (
    History,
    LearnsFrom,
    Pairs,
    SeededParams,
    check_features,
    check_pairs,
    learnt_pairs,
)
from pipeline.model_parts.collapse import BranchExtent, collapsed, extent
from pipeline.model_parts.layers import INPUT_SEARCH, FeatureEncoder, InputParams
from pipeline.model_parts.row_blocks import row_blocks
from pipeline.model_parts.saving import load_model, save_model
from pipeline.model_parts.search_space import SearchSpace
from pipeline.retrieval import average_map
from pipeline.settings.device import chosen_device, one_thread
from pipeline.settings.notices import tell_once
from pipeline.settings.paths import AnyPath

DEEP_SEARCH: SearchSpace = INPUT_SEARCH | {
    "learning_rate": ("loguniform", 3e-4, 1e-2),
    "weight_decay": ("loguniform", 1e-5, 0.1),
}
"""What a search varies of every deep model: none loses because another was searched more widely."""

_N_WATCHED = 1000  # validation rows whose MAP is followed where it chooses nothing


class DeepParams(training.TrainingParams, InputParams, SeededParams):
    """What every deep rival is made with."""


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

    def finish_epoch(self, audio: Tensor, visual: Tensor) -> None:
        """Count the epoch; called in eval mode with all train features (n, width), it may set buffers."""
        self.n_epochs_done += 1


class DeepModel:
    """A network that learns from the train pairs; the validation MAP, average of both directions, chooses its epoch.

    A subclass names its ``params_class``, its ``network_class`` and what it learns from.
    """

    learns_from: ClassVar[LearnsFrom]
    params_class: type[DeepParams]
    network_class: type[Network]

    def __init__(self, params: DeepParams, seed: int) -> None:
        """Hold the parameters, and the seed of every random number; it computes on a GPU if there is one."""
        self._params, self._seed, self._device = params, seed, chosen_device()
        self._network: Network | None = None

    @property
    def device(self) -> str:
        """The kind of device that it computes on: ``cpu`` or ``cuda``."""
        return self._device.type

    def fit(self, train: Pairs, validation: Pairs) -> History:
        """Return one dict an epoch of learning from the pairs ``train``, (n, width) each, stopped by ``validation``.

        A line on stderr tells of branches that have collapsed.

        Raises:
            DataError: the pairs cannot be used, or the loss is no longer finite.
        """
        train = learnt_pairs(train, self.learns_from)
        check_pairs(validation, "validation")
        audio, visual, labels_onehot = self._on_device(train)
        network = self._new_network([audio.shape[1], visual.shape[1], labels_onehot.shape[1]])
        prepared = network.prepare(audio, visual, labels_onehot)
        self._network = network
        network.held_out = self._on_device(_some(validation, self._seed))[:2]
        with torch.inference_mode():
            before = network.eval().extents(audio, visual)
        watched = validation if self._params.patience is not None else _some(validation, self._seed)

        def validation_map() -> float:
            network.finish_epoch(audio, visual)
            return distributed.from_first_rank(lambda: self._map_of(watched))

        data = (*prepared, labels_onehot)
        with distributed.shared_loss(network, network.loss, [network.audio, network.visual]) as loss:
            history = training.fit(network, loss, data, validation_map, self._params, self._seed)
        with torch.inference_mode():
            found = collapsed(before, network.extents(audio, visual), _n_points(train))
        if found and distributed.rank() == 0:
            tell_once(self._collapse_in_words(found))
        return history

    def embed_audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) embeddings of (n, audio width) features.

        Raises:
            DataError: the model is not fitted, or the features have another width or are not finite.
        """
        network = self._fitted()
        check_features(audio, len(network.audio.mean), "audio")
        with torch.inference_mode():
            return self._in_blocks(network.embed_audio, audio)

    def embed_visual(self, visual: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) embeddings of (n, visual width) features.

        Raises:
            DataError: as ``embed_audio``.
        """
        network = self._fitted()
        check_features(visual, len(network.visual.mean), "visual")
        with torch.inference_mode():
            return self._in_blocks(network.embed_visual, visual)

    def save(self, path: AnyPath) -> None:
        """Write weights, statistics of the inputs and sizes.

        Raises:
            DataError: the model is not fitted.
        """
        arrays = {name: value.cpu().numpy() for name, value in self._fitted().state_dict().items()}
        save_model(path, self._params, self._seed, arrays)

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Return the model that ``save`` wrote.

        Raises:
            DataError: the file is missing or is not of this model.
        """
        params, seed, arrays = load_model(path, cls.params_class)
        model = cls(params, seed)
        model._network = model._new_network(arrays["sizes"].tolist())
        model._network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        model._network.eval()
        return model

    def _collapse_in_words(self, found: dict[str, str]) -> str:
        """A line about collapsed branches."""
        model = type(self).__module__.rpartition(".")[2]
        branches = "; ".join(f"{branch} has {number}" for branch, number in found.items())
        return f"train: {model}, seed {self._seed}: collapsed embeddings: {branches}; try {self.network_class.remedy}"

    def _map_of(self, pairs: Pairs) -> float:
        """The MAP of the pairs' embeddings."""
        return average_map(self.embed_audio(pairs.audio), self.embed_visual(pairs.visual), pairs.labels)

    def _on_device(self, pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
        """Audio, visual and one-hot labels (n, n_classes), zeros for no label, of pairs: float32 on the device."""
        audio, visual = (_tensor(features).to(self._device) for features in (pairs.audio, pairs.visual))
        labels = torch.from_numpy(np.ascontiguousarray(pairs.labels, np.int64))
        return audio, visual, functional.one_hot(labels + 1)[:, 1:].to(audio)

    def _new_network(self, sizes: list[int]) -> Network:
        """A network with initial weights of the seed, on the device."""
        layout: Any = self.network_class  # a subclass of Network takes its Params too
        with training.seeded(self._seed, torch.device("cpu")):
            network: Network = layout(*sizes, self._params)
            return network.to(self._device)

    def _in_blocks(self, embed: Callable[[Tensor], Tensor], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings of a few thousand rows at a time."""
        blocks = row_blocks(_tensor(features).to(self._device))
        embeddings: NDArray[np.float32] = torch.cat([embed(block) for block in blocks]).cpu().numpy()
        return embeddings

    def _fitted(self) -> Network:
        """The network, which must be there."""
        if self._network is None:
            raise DataError("model is not fitted; expected fit or load before embed and save")
        return self._network


def class_numbers(labels_onehot: Tensor) -> NDArray[np.int64]:
    """Return the classes (n,) of one-hot labels (n, n_classes), -1 for a row of zeros."""
    has_none = 1 - labels_onehot.sum(dim=1, keepdim=True)
    numbers: NDArray[np.int64] = torch.cat([has_none, labels_onehot], dim=1).argmax(dim=1).cpu().numpy() - 1
    return numbers


def _branches(encoder: FeatureEncoder, features: Tensor) -> dict[str, Tensor]:
    """The embeddings (n, k) of (n, width) features by branch, computed some rows at a time."""
    blocks = [encoder.branches(block) for block in row_blocks(features)]
    return {branch: torch.cat([block[branch] for block in blocks]) for branch in blocks[0]}


def _tensor(features: NDArray[np.floating]) -> Tensor:
    """Features as torch takes them: float32, in the order of memory."""
    return torch.from_numpy(np.ascontiguousarray(features, np.float32))


def _n_points(train: Pairs) -> int:
    """How many points a branch may bring its rows to: one a class, or of rows without labels one each."""
    labelled = train.labelled().labels
    return len(np.unique(labelled)) if len(labelled) else len(train.labels)


def _some(pairs: Pairs, seed: int) -> Pairs:
    """All pairs if they are few, else a draw of them in their order."""
    if len(pairs.labels) <= _N_WATCHED:
        return pairs
    rows = np.sort(np.random.default_rng(seed).choice(len(pairs.labels), _N_WATCHED, replace=False))
    return Pairs(pairs.audio[rows], pairs.visual[rows], pairs.labels[rows])
