"""The class ``Encoder``: sounds, pictures and videos to vectors of a model's joint space, as the stages make them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.encoder.backbones import ready_network
from pipeline.encoder.config import TENSORS, EncoderConfig, read_config
from pipeline.encoder.inputs import STAGE_OF, InputDecoder, PictureList, Waveform
from pipeline.encoder.tensors import read_model, read_pca
from pipeline.errors import ClipError, DataError
from pipeline.features.clip_vectors import mean_over_time, modality_features
from pipeline.model_parts.base import check_features
from pipeline.network_parts.base import Modality, network_part
from pipeline.retrieval.cosines import unit_rows
from pipeline.settings.limits import NO_TRACK

if TYPE_CHECKING:
    from pipeline.extraction.embedding import ChosenNetwork
    from pipeline.features.pca import Pca
    from pipeline.formats.shards import Arrays
    from pipeline.model_parts.base import Model
    from pipeline.settings.paths import AnyPath

VectorArray: TypeAlias = NDArray[np.float32]
TimeArray: TypeAlias = NDArray[np.float64]
ROWS_AT_LEAST = 32  # that a model embeds at a time, so that a clip alone gets the numbers that it has in a batch


class Embedded(NamedTuple):
    """Both sides of a file in the joint space, (k,) float32 of length 1 each; None where it has no such track."""

    audio: VectorArray | None
    visual: VectorArray | None


class Encoder:
    """A trained model with all in front of it: what goes in is a file, a waveform or pictures.

    What it computes with stands in its folder; params.yaml of the current folder is not read. Weights of networks are
    loaded when the first input needs them.

    Args:
        folder: as the stage `encoder` writes it.
        config: the content of its config.json.
        seed: which fit of the model to ask.

    Attributes:
        folder: where it was read from.
        config: the content of its config.json.
        seed: of the fit.
        model: name of the model.
        width: k of a joint vector.
        classes: what the model was trained to tell apart.
        fingerprint: SHA-256 (64 hex digits) of all that decides a vector.
    """

    def __init__(self, folder: AnyPath, config: EncoderConfig, seed: int) -> None:
        self.folder, self.config, self.seed = Path(folder), config, seed
        self.model, self.width, self.classes = config.model.name, config.model.width, config.classes
        self.fingerprint = config.fingerprint(seed)
        self.decoder = InputDecoder(config.decoding, config.limits)
        self._networks: dict[Modality, ChosenNetwork] = {}

    @classmethod
    def load(cls, folder: AnyPath, seed: int | None = None) -> Encoder:
        """Return the encoder of a folder.

        Args:
            folder: as the stage `encoder` writes it.
            seed: of the fit to ask; None: the first.

        Raises:
            DataError: the folder is missing, damaged or of a newer format, or the model has no fit of that seed.
        """
        config = read_config(folder)
        seed = config.model.seeds[0] if seed is None else seed
        if seed not in config.model.seeds:
            raise DataError(f"{folder}: no fit of seed {seed}; expected one of {config.model.seeds}")
        return cls(folder, config, seed)

    def audio_vectors(self, source: AnyPath | Waveform) -> tuple[VectorArray, TimeArray]:
        """Return the vectors (n, width) float32 of a sound over time, and the seconds (n,) float64 where each starts.

        Args:
            source: path of a video or of a file with sound alone (wav, mp3, flac, ogg, m4a), or a waveform (n_samples,)
                floating, mono, in [-1, 1], at the sample rate of the encoder's log-mel examples: 16 kHz for VGGish.

        Raises:
            ClipError: the file cannot be used, has no sound or too little of it.
            DataError: the waveform is none, or the encoder has no network for sounds.
            OSError: the file cannot be read.
        """
        if isinstance(source, np.ndarray):
            return self._vectors(self.network("audio"), "waveform", self.decoder.of_waveform(source))
        return self.file_vectors("audio", _path(source))

    def visual_vectors(self, source: AnyPath | PictureList) -> tuple[VectorArray, TimeArray]:
        """Return the vectors (n, width) float32 of pictures over time, and when (n,) float64 seconds each is on show.

        Args:
            source: path of a video or a still picture (png, jpg), or pictures in their order, one a second, each uint8
                (height, width, 3) RGB. The time of a still is 0.

        Raises:
            ClipError: the file cannot be used or has no pictures.
            DataError: a picture is none, or the encoder has no network for pictures.
            OSError: the file cannot be read.
        """
        if isinstance(source, str | PathLike):
            return self.file_vectors("visual", source)
        return self._vectors(self.network("visual"), "pictures", self.decoder.of_pictures(source))

    def file_vectors(self, modality: Modality, path: AnyPath) -> tuple[VectorArray, TimeArray]:
        """Return the vectors (n, width) float32 of one side of a file over time, and the seconds (n,) float64 of each.

        All files that are embedded come through here; an encoder that opens them in other processes has its own way.

        Raises:
            ClipError: the file cannot be used, or lacks that side.
            DataError: the encoder has no network for that modality.
            OSError: the file cannot be read.
        """
        network = self.network(modality)
        return self._vectors(network, str(path), self.decoder.of_file(STAGE_OF[modality], path))

    def joint(self, modality: Modality, vectors: NDArray[np.floating]) -> VectorArray:
        """Return the one joint vector (k,) float32 of a stretch of time, of length 1.

        Args:
            modality: ``audio`` or ``visual``, whose vectors they are.
            vectors: (n, width), what `audio_vectors` or `visual_vectors` returned, or some of its rows; their mean is
                embedded. For an encoder of imported features, which has no networks, they are such features.

        Raises:
            DataError: there are no vectors, or they are of another width or not finite.
        """
        row: VectorArray = self.joints(modality, [vectors])[0]
        return row

    def joints(self, modality: Modality, clips: Sequence[NDArray[np.floating]]) -> VectorArray:
        """Return the joint vectors (n, k) float32 of n stretches of time, of length 1: the last bits apart, as alone.

        Args:
            modality: ``audio`` or ``visual``, whose vectors they are.
            clips: n arrays (n_times, width), as `joint` takes them.

        Raises:
            DataError: as `joint`; or there is no clip.
        """
        for vectors in clips:
            self._check(modality, vectors)
        numbered = ((str(number), vectors) for number, vectors in enumerate(clips))
        return self.joint_means(modality, mean_over_time(numbered, [str(number) for number in range(len(clips))]))

    def joint_means(self, modality: Modality, means: VectorArray) -> VectorArray:
        """Return the joint vectors (n, k) float32, of length 1, of means over time (n, width).

        Args:
            modality: ``audio`` or ``visual``, whose means they are.
            means: what `mean_over_time` returns of n clips, at least one.

        Raises:
            DataError: they are of another width or not finite.
        """
        self._check(modality, means)
        return unit_rows(self._embedded(modality, means)).astype(np.float32)

    def embed_audio(self, source: AnyPath | Waveform) -> VectorArray:
        """Return the joint vector (k,) float32 of a sound: the row that the stages write of such a clip, at length 1.

        Args:
            source: as for `audio_vectors`, with its errors.
        """
        return self.joint("audio", self.audio_vectors(source)[0])

    def embed_visual(self, source: AnyPath | PictureList) -> VectorArray:
        """Return the joint vector (k,) float32 of pictures: the row that the stages write of such a clip, at length 1.

        Args:
            source: as for `visual_vectors`, with its errors.
        """
        return self.joint("visual", self.visual_vectors(source)[0])

    def embed(self, path: AnyPath) -> Embedded:
        """Return the joint vectors (k,) of a file's sound and of its pictures; None for a side that it does not have.

        Raises:
            ClipError: the file cannot be used, or has neither side.
            DataError: the encoder has no networks.
            OSError: the file cannot be read.
        """
        refused: list[ClipError] = []
        sides: list[VectorArray | None] = []
        for embed in (self.embed_audio, self.embed_visual):
            try:
                sides.append(embed(path))
            except ClipError as error:
                if error.kind not in NO_TRACK:
                    raise
                refused.append(error)
                sides.append(None)
        if len(refused) == len(sides):
            raise refused[0]
        return Embedded(*sides)

    def network(self, modality: Modality) -> ChosenNetwork:
        """Return the network of a modality.

        Raises:
            DataError: the encoder has none: the features that its model was trained on were imported.
        """
        if modality not in self.config.networks:
            expected = f"features of width {self.config.feature_widths[modality]} through joint()"
            problem = f"trained on imported features, so no network makes {modality} vectors of a file"
            raise DataError(f"{self.folder}: {problem}; expected {expected}")
        if modality not in self._networks:
            self._networks[modality] = ready_network(self.config.networks[modality], self.folder)
        return self._networks[modality]

    @cached_property
    def _pca(self) -> Pca:
        return read_pca(self.folder / TENSORS)

    @cached_property
    def _model(self) -> Model:
        return read_model(self.folder / TENSORS, self.model, self.seed)

    def _vectors(self, network: ChosenNetwork, name: str, arrays: Arrays) -> tuple[VectorArray, TimeArray]:
        """A network's vectors and their times."""
        return network.vectors(name, arrays), arrays["seconds"]

    def _check(self, modality: Modality, vectors: NDArray[np.floating]) -> None:
        """Refuse vectors that the model cannot start from."""
        noted = self.config.networks.get(modality)
        width = network_part(noted.name, "about").WIDTH if noted else self.config.feature_widths[modality]
        check_features(vectors, width, f"{modality} vectors")
        if len(vectors) == 0:
            raise DataError(f"{modality} vectors: none; expected at least one to average over time")

    def _embedded(self, modality: Modality, means: VectorArray) -> VectorArray:
        """The model's rows (n, k) of means over time (n, width)."""
        features = means
        if self.config.features is not None:
            features = modality_features(modality, means, self.config.features, self._pca)
        model, whole = self._model, _in_whole_blocks(features)
        rows = model.embed_audio(whole) if modality == "audio" else model.embed_visual(whole)
        return rows[: len(features)]


def _in_whole_blocks(features: VectorArray) -> VectorArray:
    """Rows (n, width), the last of them repeated until they fill blocks.

    Matrix products of few rows add in another order than those of many, and what follows from it can be more than 1e-6.
    """
    n_missing = -len(features) % ROWS_AT_LEAST
    return np.concatenate([features, np.repeat(features[-1:], n_missing, axis=0)])


def _path(source: object) -> AnyPath:
    """A path; an array of another library is not taken for one."""
    if isinstance(source, str | PathLike):
        return source
    raise DataError(f"{type(source).__name__}: neither a path nor a NumPy array; expected one of the two")
