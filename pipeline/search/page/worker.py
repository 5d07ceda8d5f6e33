"""An encoder that opens files in other processes: what hangs or crashes there is killed, and the server goes on."""

import io
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.clip_jobs.engines import processes
from pipeline.clip_jobs.memory import limit_memory
from pipeline.encoder.config import read_config
from pipeline.encoder.encoder import Encoder, TimeArray, VectorArray
from pipeline.errors import DataError, PipelineError
from pipeline.network_parts.base import Modality
from pipeline.search.page.pools import Pools
from pipeline.search.page.uploads import UploadBounds
from pipeline.settings.environment import chosen_workers, set_variable
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.separation.boxes import SoundingBox
    from pipeline.separation.videos.trained import Trained


class WorkerStart(NamedTuple):
    """What a worker begins with.

    Attributes:
        encoder: folder of the encoder.
        seed: of the fit.
        fingerprint: what the server's own encoder has.
        separation: folder of the task whose separator is there too; None: none.
        bounds: of a file.
        n_threads: for arithmetic.
    """

    encoder: Path
    seed: int
    fingerprint: str
    separation: Path | None
    bounds: UploadBounds
    n_threads: int


class TrackWav(NamedTuple):
    """The sound of one track of a file.

    Attributes:
        wav: a WAV file of one channel, 16 bits a sample; what is over full scale is cut off.
        warnings: what a user has to know, in words.
    """

    wav: bytes
    warnings: list[str]


class EncoderElsewhere(Encoder):
    """An encoder whose files are decoded and embedded in processes that can be killed.

    Only what the networks make of a file comes back from there; waveforms and pictures are embedded here. Where the
    processes have a separator, they give the sounds of tracks too.

    Args:
        folder: of the encoder, as `Encoder.load` takes it.
        bounds: of a file.
        n_workers: processes; each holds the networks, about 1 GB.
        separation: folder of a task whose separator was trained; None: no sounds of tracks.
    """

    def __init__(
        self,
        folder: AnyPath,
        bounds: UploadBounds,
        n_workers: int,
        separation: AnyPath | None = None,
    ) -> None:
        config = read_config(folder)
        super().__init__(folder, config, config.model.seeds[0])
        self._bounds = bounds
        n_threads, task = max(1, chosen_workers() // n_workers), Path(separation).absolute() if separation else None
        start = WorkerStart(Path(folder).absolute(), self.seed, self.fingerprint, task, bounds, n_threads)
        modules = ["pipeline.search.page.worker", "torch"]
        self._pools = Pools(_start_worker, start, n_workers, modules)

    def file_vectors(self, modality: Modality, path: AnyPath) -> tuple[VectorArray, TimeArray]:
        """Return what a worker makes of a file: vectors (n, width) float32 and their seconds (n,) float64.

        How the worker ended, if it did, becomes a refusal.

        Args:
            modality: as `Encoder.file_vectors` takes it, with its errors.
            path: of the file.
        """
        self.network(modality)  # an encoder of imported features says so here
        return self._pools.made(path, self._bounds.decode_seconds, _vectors, modality, os.fspath(path))

    def track_wav(self, path: AnyPath, box: "SoundingBox") -> TrackWav:
        """Return what a worker's separator makes of a box of a video.

        How the worker ended, if it did, becomes a refusal.

        Args:
            path: of the video.
            box: as `track_sound` takes it, with its errors.
        """
        return self._pools.made(path, self._bounds.decode_seconds, _track_wav, os.fspath(path), box)

    def close(self) -> None:
        """End the processes."""
        self._pools.close()


def bounded(limits: Limits, bounds: UploadBounds) -> Limits:
    """Return limits under which files are shorter and smaller than they were in the run."""
    lower = {
        "clip_seconds": min(limits.clip_seconds, bounds.seconds),
        "gap_seconds": min(limits.gap_seconds, bounds.seconds),
        "picture_pixels": min(limits.picture_pixels, bounds.picture_pixels),
    }
    return limits.model_copy(update=lower)


class _Held:
    """What a process keeps between two calls: its encoder and its separator, or why it has none."""

    encoder: Encoder | PipelineError = DataError("no encoder yet; expected one from the start of the process")
    trained: "Trained | PipelineError" = DataError("no separator; expected a server with --separation")


def _start_worker(start: WorkerStart) -> None:
    """Make a new process one that embeds files: bounded, with the networks loaded, gone when the server is."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(start.n_threads)
    set_variable("AVR_DEVICE", "cpu")  # a GPU maps more addresses than the bound of memory allows
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's own handler would wait for the call to return
    processes.end_with_parent()
    try:
        _Held.encoder = _loaded_encoder(start)
    except PipelineError as error:
        _Held.encoder = error
    if start.separation is not None:
        try:
            _Held.trained = _loaded_separator(start.separation, start.bounds)
        except PipelineError as error:
            _Held.trained = error
    limit_memory(start.bounds.memory_gigabytes)


def _loaded_encoder(start: WorkerStart) -> Encoder:
    """The encoder, if it is still the one that the server began with, with its networks."""
    config = read_config(start.encoder)
    lower = config.model_copy(update={"limits": bounded(config.limits, start.bounds)})
    encoder = Encoder(start.encoder, lower, start.seed)
    if encoder.fingerprint != start.fingerprint:
        raise DataError(f"{encoder.folder}: another encoder than at the start; expected the server to be started again")
    _load_networks(encoder)
    return encoder


def _loaded_separator(task: Path, bounds: UploadBounds) -> "Trained":
    """What a task has trained."""
    from pipeline.separation.videos.trained import load_trained

    trained = load_trained(task)
    return trained._replace(limits=bounded(trained.limits, bounds))


def _load_networks(encoder: Encoder) -> None:
    """Embed silence and darkness, so that no file waits for the networks; what they lack is said to the first file."""
    with suppress(PipelineError):
        encoder.audio_vectors(np.zeros(32_000, np.float32))
    with suppress(PipelineError):
        encoder.visual_vectors([np.zeros((64, 64, 3), np.uint8)])


def _vectors(modality: Modality, path: str) -> tuple[VectorArray, TimeArray]:
    """What the networks of this process make of a file."""
    if isinstance(_Held.encoder, PipelineError):
        raise _Held.encoder
    return _Held.encoder.file_vectors(modality, path)


def _track_wav(path: str, box: "SoundingBox") -> TrackWav:
    """What the separator of this process makes of a box of a video."""
    from scipy.io import wavfile

    from pipeline.separation.sounds import as_int16
    from pipeline.separation.videos.one_track import track_sound

    if isinstance(_Held.trained, PipelineError):
        raise _Held.trained
    found, file = track_sound(path, box, _Held.trained), io.BytesIO()
    wavfile.write(file, found.rate, as_int16(found.waveform))
    return TrackWav(file.getvalue(), list(found.warnings))
