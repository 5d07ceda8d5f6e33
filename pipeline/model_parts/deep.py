"""What the deep rivals share: a network of two encoders, trained on pairs, stopped early, saved with its sizes."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
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
from pipeline.model_parts.collapse import collapsed
from pipeline.model_parts.layers import INPUT_SEARCH, FeatureEncoder, InputParams
from pipeline.model_parts.network import Network
from pipeline.model_parts.row_blocks import FileRows, TrainRows, row_blocks
from pipeline.model_parts.saving import load_model, save_model
from pipeline.model_parts.search_space import SearchSpace
from pipeline.model_parts.shuffled_rows import ShuffledRows, file_order, written
from pipeline.model_parts.streamed import StreamedPairs, learnt_rows
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
_N_CHOOSING = 20_000  # streamed ones that choose an epoch: MAP costs their square, 11 CPU seconds
_N_LOOKED_AT = 10_000  # streamed train rows by which collapsed branches are found


class DeepParams(training.TrainingParams, InputParams, SeededParams):
    """What every deep rival is made with."""


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
        few = validation.drawn(_N_WATCHED, self._seed)
        watched = validation if self._params.patience is not None else few
        rows = _FitRows((*prepared, labels_onehot), (audio, visual), (audio, visual), few, watched, train.labels)
        return self._learn(network, rows)

    def fit_streamed(self, train: StreamedPairs, validation: StreamedPairs, scratch: AnyPath) -> History:
        """Return the history of learning from pairs that stay in their file, as ``fit`` does; see ``StreamedModel``.

        Epochs are chosen by the MAP of 20,000 validation pairs at most, and branches looked at by 10,000 train pairs.

        Raises:
            DataError: as ``fit``.
            DiskError: the disk of the folder ``scratch`` is full or fails.
        """
        train = learnt_rows(train, self.learns_from)
        audio, visual = (FileRows(rows, self._device) for rows in (train.audio, train.visual))
        n_classes = max(int(train.labels.max()) + 1, 0)
        labels = torch.from_numpy(train.labels).to(self._device)
        network = self._new_network([audio.shape[1], visual.shape[1], n_classes])
        network.prepare_by_file(audio, visual, labels, n_classes)
        looked_at = self._on_device(train.drawn(_N_LOOKED_AT, self._seed))[:2]
        few = validation.drawn(_N_WATCHED, self._seed)
        watched = few if self._params.patience is None else validation.drawn(_N_CHOOSING, self._seed)
        encoders = (network.audio, audio), (network.visual, visual)
        width = audio.shape[1] + visual.shape[1]
        order = file_order(len(labels), width, self._params.batch_size, self._seed)
        with written(scratch, order, *(_prepared_blocks(*of_modality) for of_modality in encoders)) as file:
            data = ShuffledRows(file, labels, n_classes)
            return self._learn(network, _FitRows(data, (audio, visual), looked_at, few, watched, train.labels))

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

    def _learn(self, network: Network, rows: "_FitRows") -> History:
        """Train a network whose encoders have their statistics."""
        self._network = network
        network.held_out = self._on_device(rows.held_out)[:2]
        with torch.inference_mode():
            before = network.eval().extents(*rows.looked_at)

        def validation_map() -> float:
            network.finish_epoch(*rows.raw)
            return distributed.from_first_rank(lambda: self._map_of(rows.watched))

        with distributed.shared_loss(network, network.loss, [network.audio, network.visual]) as loss:
            history = training.fit(network, loss, rows.prepared, validation_map, self._params, self._seed)
        with torch.inference_mode():
            found = collapsed(before, network.extents(*rows.looked_at), _n_points(rows.labels))
        if found and distributed.rank() == 0:
            tell_once(self._collapse_in_words(found))
        return history

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


def _tensor(features: NDArray[np.floating]) -> Tensor:
    """Features as torch takes them: float32, in the order of memory."""
    return torch.from_numpy(np.ascontiguousarray(features, np.float32))


def _prepared_blocks(encoder: FeatureEncoder, rows: FileRows) -> Iterator[Tensor]:
    """All rows as an encoder prepares them, some at a time."""
    for block in rows.blocks():
        with one_thread():
            prepared = encoder.prepared(block)
        yield prepared


def _n_points(labels: NDArray[np.int64]) -> int:
    """How many points a branch may bring its rows to: one a class, or of rows without labels one each."""
    labelled = labels[labels >= 0]
    return len(np.unique(labelled)) if len(labelled) else len(labels)


class _FitRows(NamedTuple):
    """What a network learns from, and is judged by.

    Attributes:
        prepared: audio, visual and one-hot labels of the train rows, or what gives minibatches of them.
        raw: audio and visual features of the train rows.
        looked_at: the same, or of a draw of them, by which collapsed branches are found.
        held_out: validation pairs, few.
        watched: validation pairs whose MAP is that of an epoch.
        labels: (n,) of the train rows.
    """

    prepared: tuple[Tensor, ...] | ShuffledRows
    raw: tuple[TrainRows, TrainRows]
    looked_at: tuple[Tensor, Tensor]
    held_out: Pairs
    watched: Pairs
    labels: NDArray[np.int64]
