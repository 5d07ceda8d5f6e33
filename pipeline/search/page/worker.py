"""An encoder that opens files in other processes: what hangs or crashes there is killed, and the server goes on."""

import multiprocessing
import os
import shutil
import signal
import threading
from concurrent.futures import TimeoutError as TooLate
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.clip_jobs.engines import processes
from pipeline.clip_jobs.engines.base import Stopped, timed_out
from pipeline.clip_jobs.failures import refusal_of, refusal_of_stopped
from pipeline.clip_jobs.memory import limit_memory
from pipeline.encoder.config import EncoderConfig, read_config
from pipeline.encoder.encoder import Encoder, TimeArray, VectorArray
from pipeline.encoder.inputs import PictureList, Waveform
from pipeline.errors import DataError, PipelineError
from pipeline.network_parts.base import Modality
from pipeline.search.page.uploads import UploadBounds
from pipeline.settings.environment import chosen_workers, set_variable
from pipeline.settings.interrupt import held_back_interrupts
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pebble import ProcessPool


class WorkerStart(NamedTuple):
    """What a worker begins with.

    Attributes:
        encoder: folder of the encoder.
        seed: of the fit.
        fingerprint: what the server's own encoder has.
        uploads: the folder of sent files, removed where the server is gone.
        bounds: of a file.
        n_threads: for arithmetic.
    """

    encoder: Path
    seed: int
    fingerprint: str
    uploads: Path
    bounds: UploadBounds
    n_threads: int


class EncoderElsewhere(Encoder):
    """An encoder whose files are decoded and embedded in processes that can be killed.

    Only what the networks make of a file comes back from there; waveforms and pictures are embedded here.

    Args:
        folder: of the encoder, as `Encoder.load` takes it.
        uploads: the folder of the files to embed.
        bounds: of a file.
        n_workers: processes; each holds the networks, about 1 GB.
    """

    def __init__(self, folder: AnyPath, uploads: AnyPath, bounds: UploadBounds, n_workers: int) -> None:
        config = read_config(folder)
        super().__init__(folder, config, config.model.seeds[0])
        self._bounds = bounds
        n_threads = max(1, chosen_workers() // n_workers)
        start = WorkerStart(Path(folder).absolute(), self.seed, self.fingerprint, Path(uploads), bounds, n_threads)
        self._pools = _Pools(start, n_workers)

    def audio_vectors(self, source: AnyPath | Waveform) -> tuple[VectorArray, TimeArray]:
        """Return the vectors (n, width) float32 of a sound over time, and the seconds (n,) float64 where each starts.

        Args:
            source: as `Encoder.audio_vectors` takes it, with its errors.
        """
        if isinstance(source, str | PathLike):
            return self._elsewhere("audio", source)
        return super().audio_vectors(source)

    def visual_vectors(self, source: AnyPath | PictureList) -> tuple[VectorArray, TimeArray]:
        """Return the vectors (n, width) float32 of pictures over time, and when (n,) float64 seconds each is on show.

        Args:
            source: as `Encoder.visual_vectors` takes it, with its errors.
        """
        if isinstance(source, str | PathLike):
            return self._elsewhere("visual", source)
        return super().visual_vectors(source)

    def close(self) -> None:
        """End the processes."""
        self._pools.close()

    def _elsewhere(self, modality: Modality, path: AnyPath) -> tuple[VectorArray, TimeArray]:
        """What a worker makes of a file; how the worker ended, if it did, as a refusal."""
        from pebble import ProcessExpired

        self.network(modality)  # an encoder of imported features says so here
        seconds = self._bounds.decode_seconds
        try:
            return self._pools.vectors(modality, os.fspath(path), seconds)
        except PipelineError:
            raise
        except TooLate as error:
            raise refusal_of_stopped(str(path), timed_out(seconds)) from error
        except ProcessExpired as error:
            stopped = Stopped("crashed", f"the process that decoded it ended with {error.exitcode}")
            raise refusal_of_stopped(str(path), stopped) from error
        except Exception as error:
            raise refusal_of(str(path), error) from error


def bounded(config: EncoderConfig, bounds: UploadBounds) -> EncoderConfig:
    """Return the config of an encoder that takes shorter and smaller files than the run did."""
    limits = config.limits
    lower = {
        "clip_seconds": min(limits.clip_seconds, bounds.seconds),
        "gap_seconds": min(limits.gap_seconds, bounds.seconds),
        "picture_pixels": min(limits.picture_pixels, bounds.picture_pixels),
    }
    return config.model_copy(update={"limits": limits.model_copy(update=lower)})


class _Pools:
    """Processes with the encoder in them; where the pool breaks, as by a process that dies idle, another one begins.

    Args:
        start: what each process begins with.
        n_workers: processes.
    """

    def __init__(self, start: WorkerStart, n_workers: int) -> None:
        self._start, self._n_workers, self._lock = start, n_workers, threading.Lock()
        processes.prepare(["pipeline.search.page.worker", "torch"])
        self._pool = self._begun()

    def vectors(self, modality: Modality, path: str, timeout_seconds: float) -> tuple[VectorArray, TimeArray]:
        """What a process makes of a file; of one that breaks two pools, how the second one broke."""
        try:
            return self._asked(modality, path, timeout_seconds)
        except BrokenProcessPool:
            return self._asked(modality, path, timeout_seconds)

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            _end(self._pool)

    def _asked(self, modality: Modality, path: str, timeout_seconds: float) -> tuple[VectorArray, TimeArray]:
        with self._lock:
            if not self._pool.active:
                _end(self._pool)
                self._pool = self._begun()
            call = self._pool.schedule(_vectors, args=[modality, path], timeout=timeout_seconds)
        return call.result()

    def _begun(self) -> "ProcessPool":
        """A pool whose processes are on their way."""
        from pebble import ProcessPool

        context = multiprocessing.get_context("forkserver")
        with held_back_interrupts():
            pool = ProcessPool(self._n_workers, initializer=_start_worker, initargs=[self._start], context=context)
            pool.schedule(os.getpid)  # the processes are made with the first call
        return pool


def _end(pool: "ProcessPool") -> None:
    pool.stop()  # type: ignore[no-untyped-call]  # pebble left it without types
    pool.join()


class _HeldEncoder:
    """What a process keeps between two calls: its encoder, or why it has none."""

    encoder: Encoder | None = None
    problem: PipelineError = DataError("no encoder yet; expected one from the start of the process")


def _start_worker(start: WorkerStart) -> None:
    """Make a new process one that embeds files: bounded, with the networks loaded, gone when the server is."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(start.n_threads)
    set_variable("AVR_DEVICE", "cpu")  # a GPU maps more addresses than the bound of memory allows
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's own handler would wait for the call to return
    threading.Thread(target=_end_with_server, args=[start.uploads], daemon=True).start()
    try:
        config = read_config(start.encoder)
        encoder = Encoder(start.encoder, bounded(config, start.bounds), start.seed)
        _HeldEncoder.encoder = _checked(encoder, start.fingerprint)
        _load_networks(encoder)
    except PipelineError as error:
        _HeldEncoder.problem = error
    limit_memory(start.bounds.memory_gigabytes)


def _checked(encoder: Encoder, fingerprint: str) -> Encoder:
    """The encoder, if it is still the one that the server began with."""
    if encoder.fingerprint != fingerprint:
        raise DataError(f"{encoder.folder}: another encoder than at the start; expected the server to be started again")
    return encoder


def _load_networks(encoder: Encoder) -> None:
    """Embed silence and darkness, so that no file waits for the networks; what they lack is said to the first file."""
    with suppress(PipelineError):
        encoder.audio_vectors(np.zeros(32_000, np.float32))
    with suppress(PipelineError):
        encoder.visual_vectors([np.zeros((64, 64, 3), np.uint8)])


def _vectors(modality: Modality, path: str) -> tuple[VectorArray, TimeArray]:
    """What the networks of this process make of a file."""
    if _HeldEncoder.encoder is None:
        raise _HeldEncoder.problem
    encoder = _HeldEncoder.encoder
    return encoder.audio_vectors(path) if modality == "audio" else encoder.visual_vectors(path)


def _end_with_server(uploads: Path) -> None:
    """End this process once the server is gone, however it ended, and leave none of its files."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        shutil.rmtree(uploads, ignore_errors=True)
        os._exit(1)
