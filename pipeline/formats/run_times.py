"""How long each stage took here and where it computed: a note beside the outs, which repeat to the byte and hold none.

Nothing is computed from it and nothing depends on it. It lies in ``data/``, where git looks at nothing, and is no out,
so that DVC neither tracks nor removes it.
"""

import hashlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, TypeAdapter

from pipeline.formats.memory import recall, remember
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import open_regular

FILE = Path("data", "run_times.json")
MOST_STAGES = 1000  # the oldest of more, such as models that are gone, are forgotten
LARGEST_BYTES = 1 << 20
END_BYTES = 1 << 16  # that are read at both ends of a file
_USE = "it only says how long stages took"


class RunTime(BaseModel):
    """How the last run of a stage went that ended well.

    Attributes:
        ended: when, in seconds since 1970.
        seconds: from its start to its end.
        cpu_seconds: of all cores, those of its workers too; None where the system does not say (other than Linux).
        device: where its models and networks computed, in words.
        out: the last file or folder that it wrote, from the project on.
        sha256: of ``out``, as `sampled_sha256` gives it.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    ended: float
    seconds: NonNegativeFloat
    cpu_seconds: NonNegativeFloat | None
    device: str
    out: str
    sha256: str

    def is_of(self, project: AnyPath) -> bool:
        """Return whether the files of a project are those that this run wrote; DVC's cache has those of others too."""
        with suppress(OSError):
            return sampled_sha256(Path(project) / self.out) == self.sha256
        return False


_KIND = TypeAdapter(dict[str, RunTime])


@contextmanager
def noted_run_time(out: AnyPath) -> Iterator[None]:
    """Run the block, which is a stage, and note how long it took once it has ended well.

    DVC names the stage in $DVC_STAGE and runs it in the folder of dvc.yaml; elsewhere nothing is noted.

    Args:
        out: the last path that the stage writes.
    """
    started = time.monotonic()
    yield
    if stage := os.environ.get("DVC_STAGE", "").rpartition(":")[2]:
        run = RunTime(
            ended=time.time(),
            seconds=time.monotonic() - started,
            cpu_seconds=cpu_seconds(),
            device=device_in_words(),
            out=os.fspath(out),
            sha256=sampled_sha256(out),
        )
        note(FILE, {stage: run})


def note(path: AnyPath, runs: Mapping[str, RunTime]) -> None:
    """Write runs by stage into a file, each over the one that the file has of its stage."""
    known = recall(path, _KIND, _USE, LARGEST_BYTES) | dict(runs)
    kept = sorted(known.items(), key=lambda item: item[1].ended)[-MOST_STAGES:]
    remember(path, _KIND, dict(kept), _USE)


def run_times(project: AnyPath) -> dict[str, RunTime]:
    """Return what is noted of the stages of a project, by stage; nothing where the file is missing or damaged."""
    return recall(Path(project) / FILE, _KIND, _USE, LARGEST_BYTES)


def sampled_sha256(path: AnyPath) -> str:
    """Return a hash of a file, or of all files below a folder: of their names, sizes, and both ends of each, in hex.

    It tells runs apart without reading gigabytes. Times of files would not: DVC writes outs again that it has already.
    """
    path, digest = Path(path), hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            size = file.stat().st_size
            digest.update(f"{file.relative_to(path)} {size}\n".encode("utf-8", "surrogateescape"))
            with open_regular(file) as opened:
                digest.update(opened.read(END_BYTES))
                opened.seek(max(END_BYTES, size - END_BYTES))
                digest.update(opened.read(END_BYTES))
    return digest.hexdigest()


def cpu_seconds() -> float | None:
    """Return the CPU time of this process, of the processes below it, and of those that these have seen end.

    Workers are forked from a process that lives as long as this one, and only the system knows how long they took: it
    adds them to that process when they end. None where it does not say.
    """
    own = os.times()
    try:
        return sum(own[:4]) + sum(map(_ticks, _children())) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def device_in_words() -> str:
    """Return where this process has computed: on a GPU if torch has used one, and else on so many cores of the CPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized() and torch.cuda.max_memory_allocated():
        return str(torch.cuda.get_device_name())
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"CPU, {n_cores} core{'s' if n_cores > 1 else ''}"


def _children() -> list[int]:
    """The processes that the threads of this one have started and that still run."""
    lists = [(task / "children").read_text() for task in Path("/proc/self/task").iterdir()]
    return [int(number) for text in lists for number in text.split()]


def _ticks(process: int) -> int:
    """The CPU time of a process and of its ended children, in ticks of the system; 0 where it has just ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return sum(map(int, text.rpartition(")")[2].split()[11:15]))  # utime, stime, cutime, cstime: proc_pid_stat(5)
