"""Where a network runs: in this process, in several of this machine, one a GPU, or in actors of a Ray cluster.

Workers read the weights from one file, so that all have the bytes whose hash the results note: random ones may differ
in their last bits from machine to machine.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pipeline.clip_jobs.clip_rows import Embed, RowsOf
from pipeline.clip_jobs.engines import Start, chosen_engine, prepare, processes
from pipeline.clip_jobs.engines.base import do_nothing
from pipeline.clip_jobs.shard_chunks import NetworkWorkers
from pipeline.errors import ParamsError
from pipeline.extraction.decoding import loaded_by_workers, modules_behind
from pipeline.formats.files import disk_errors
from pipeline.formats.temporary import temporary_folder
from pipeline.network_parts.base import NetworkParams, network_part
from pipeline.settings.environment import chosen_network_workers, set_variable, variable
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.weights.readers import State

MOST_CLIPS = {"cpu": 64, "cuda": 512}  # of a call, whose last batch is not full
LOOK_SECONDS = 0.1
MaybeWorkers: TypeAlias = NetworkWorkers | None
PATIENCE_SECONDS = 60.0  # for a worker that was killed to give its GPU back


@dataclass(frozen=True)
class NetworkFromFile:
    """Makes a network in a worker, of weights that lie in a file.

    Attributes:
        name: of the network.
        params: its section.
        weights: a safetensors file.
    """

    name: str
    params: NetworkParams
    weights: str

    def __call__(self) -> tuple[RowsOf, Embed]:
        """Return what gives the rows of a clip, and what embeds a stream of them."""
        from safetensors.torch import load_file

        from pipeline.network_parts.inference import embedder
        from pipeline.settings.device import chosen_device

        embed = embedder(self.name, load_file(self.weights), self.params, chosen_device())
        return network_part(self.name, "network").rows_of, embed


@contextmanager
def workers_beside_decoding(
    stage: str, name: str, params: NetworkParams, state: "Callable[[], State]", out: AnyPath
) -> Iterator[MaybeWorkers]:
    """Give where a network runs as `workers_of` does, while other processes decode for it.

    Of Ray's actors, which all decode, none runs a network: it is in this process, on one GPU.

    Args:
        stage: that decodes.
        name: of the network.
        params: its section.
        state: gives its weights by name.
        out: the folder that the stage writes.

    Raises:
        ParamsError: as ``workers_of``, or AVR_NETWORK_WORKERS asks for several and AVR_ENGINE is ``ray``.
    """
    if chosen_engine() is processes.run:
        decoding = ["pipeline.clip_jobs.decoded_clips", *loaded_by_workers(modules_behind(stage))]
        with workers_of(name, params, state, out, decoding) as chosen:
            yield chosen
        return
    if (asked := chosen_network_workers()) > 1:
        problem = f"AVR_ENGINE={variable('AVR_ENGINE')!r} decodes for one network, AVR_NETWORK_WORKERS={asked}"
        expected = "AVR_ENGINE=processes, AVR_NETWORK_WORKERS=1 or not set, or a --shard for each machine"
        raise ParamsError(f"decode_later.{stage}: {problem}; expected {expected}")
    yield None


@contextmanager
def workers_of(
    name: str,
    params: NetworkParams,
    state: "Callable[[], State]",
    out: AnyPath,
    also_loaded: Sequence[str] = (),
) -> Iterator[MaybeWorkers]:
    """Give where a network runs, until the end of the block; None: in this process.

    It is this process where one worker is wanted, and AVR_ENGINE is not ``ray`` or AVR_NETWORK_WORKERS is not set.

    Args:
        name: of the network.
        params: its section.
        state: gives its weights by name, of the shapes that the network has.
        out: the folder that the stage writes; machines of a cluster see the one that it lies in.
        also_loaded: modules that other workers of this machine need, since all are forked from one process.

    Raises:
        ParamsError: AVR_NETWORK_WORKERS, AVR_DEVICE or AVR_ENGINE is wrong.
    """
    run, n_workers = chosen_engine(), n_network_workers()
    is_here = run is processes.run
    if n_workers == 1 and (is_here or not chosen_network_workers()):
        if also_loaded:
            prepare(also_loaded)
        yield None
        return
    from safetensors.torch import save_file

    network = ["pipeline.network_parts.inference", f"pipeline.networks.{name}.network"]
    prepare(["pipeline.clip_jobs.shard_chunks", *network, *also_loaded])  # once: a second call would do nothing
    kind = _kind_of_device(is_here=is_here)
    beside = Path(out).absolute().parent
    beside.mkdir(parents=True, exist_ok=True)
    with temporary_folder(".weights-", None if is_here else beside) as folder:
        weights = folder / "weights.safetensors"
        with disk_errors(weights):
            save_file({key: tensor.contiguous() for key, tensor in state().items()}, weights)
        start = _start(kind, n_workers, folder) if is_here else partial(set_variable, "AVR_DEVICE", kind)
        maker = NetworkFromFile(name, params, str(weights))
        yield NetworkWorkers(maker, run, n_workers, start, int(kind == "cuda"), MOST_CLIPS[kind])


def n_network_workers() -> int:
    """Return in how many processes a network runs: $AVR_NETWORK_WORKERS, or one a GPU of this machine, or one.

    Raises:
        ParamsError: AVR_NETWORK_WORKERS is not a whole number above 0.
    """
    asked = chosen_network_workers()
    if asked or variable("AVR_DEVICE") not in ("", "cuda"):
        return asked or 1
    import torch

    return max(1, torch.cuda.device_count())


def take_gpu(folder: AnyPath, n_workers: int, n_gpus: int) -> None:
    """Give this process a GPU, by AVR_DEVICE, that no other worker of the folder has before all are taken.

    Args:
        folder: for a lock of each worker; the system gives it back when a worker ends, however it ends.
        n_workers: that run at a time.
        n_gpus: of this machine.

    Raises:
        ParamsError: more workers than that hold a lock, for a minute.
    """
    deadline_seconds = time.monotonic() + PATIENCE_SECONDS
    while True:
        for number in range(n_workers):
            if _is_locked_now(Path(folder) / f"worker-{number}"):
                set_variable("AVR_DEVICE", f"cuda:{number % n_gpus}")
                return
        if time.monotonic() > deadline_seconds:
            problem = f"AVR_NETWORK_WORKERS={n_workers}: more workers than that hold a GPU"
            raise ParamsError(f"{problem}; expected them to end")
        time.sleep(LOOK_SECONDS)


def _start(kind: str, n_workers: int, folder: AnyPath) -> Start:
    """What a worker of this machine does first: on a CPU the workers share the threads that this process has."""
    import torch

    if kind == "cpu":
        return partial(_take_threads, max(1, torch.get_num_threads() // n_workers))
    if ":" in variable("AVR_DEVICE"):
        return do_nothing
    return partial(take_gpu, folder, n_workers, torch.cuda.device_count())


def _take_threads(n_threads: int) -> None:
    """Let this process use so many threads for arithmetic."""
    import torch
    from threadpoolctl import threadpool_limits

    threadpool_limits(n_threads)
    torch.set_num_threads(n_threads)


def _kind_of_device(*, is_here: bool) -> str:
    """``cpu`` or ``cuda``; a machine that only hands out work to a cluster need not have what it names."""
    from pipeline.settings.device import chosen_device

    name = variable("AVR_DEVICE")
    if is_here or not name:
        return chosen_device().type
    if (kind := name.partition(":")[0]) not in MOST_CLIPS:
        raise ParamsError(f"AVR_DEVICE={name!r}; expected cpu or cuda")
    return kind


def _is_locked_now(path: Path) -> bool:
    """Whether this process has got the lock of a file, which it then keeps as long as it lives."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True
