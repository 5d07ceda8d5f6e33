"""What pictures cost on their way to Inception-v3: through shards, or decoded by the network itself (``decode_later``).

Both ways run the stages ``frames`` and ``network`` as a user does, with a cache of their own, on clips of 10 s that are
made first; they take turns. For each way the table has CPU seconds of all processes, seconds on the clock, what lies in
``data/`` and in the clip cache afterwards, and the highest memory of the process that holds the network. Medians over
the rounds.
"""

import argparse
import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.many_clips import SUBREAPER
from benchmarks.memory import seconds_of_children
from benchmarks.scale import write_clip, write_list

ROOT = Path(__file__).parent.parent
POLL_SECONDS = 0.05
WAYS = {"through shards": False, "decoded later": True}


class WayCost(NamedTuple):
    """What both stages took in one way.

    Attributes:
        cpu_seconds: of all processes.
        seconds: on the clock.
        data_megabytes: of ``data/``.
        cache_megabytes: of the clip cache.
        peak_megabytes: resident memory of the process that holds the network.
    """

    cpu_seconds: float
    seconds: float
    data_megabytes: float
    cache_megabytes: float
    peak_megabytes: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode_later", description=__doc__)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}, {arguments.clips} clips")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_list(folder, [write_clip(folder / f"{number}.mp4", number) for number in range(arguments.clips)])
        _write_weights(folder / "inception.safetensors")
        rounds = [{way: _measure(folder, is_later) for way, is_later in WAYS.items()} for _ in range(arguments.rounds)]
    print("| way | CPU s | seconds | data/, MB | clip cache, MB | peak of the network, MB |\n|---|---|---|---|---|---|")
    for way in WAYS:
        numbers = [median(column) for column in zip(*(costs[way] for costs in rounds), strict=True)]
        print(f"| {way} | {' | '.join(f'{number:.1f}' for number in numbers)} |")


def _write_weights(path: Path) -> None:
    """Random ones, which every run would make for itself otherwise."""
    from safetensors.torch import save_file

    from pipeline.networks.inception.random_weights import random_state

    save_file({key: tensor.contiguous() for key, tensor in random_state(0).items()}, path)


def _measure(folder: Path, is_later: bool) -> WayCost:
    """Run both stages with an empty cache, and remove what they wrote."""
    import yaml

    work = folder / "work"
    (work / "data").mkdir(parents=True)
    for file in ("clips.csv", "videos_root.txt"):
        shutil.copy(folder / file, work / "data")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["decode_later"]["frames"] = is_later
    params["inception"]["weights"] = str(folder / "inception.safetensors")
    (work / "params.yaml").write_text(yaml.safe_dump(params))
    environment = {**os.environ, "AVR_CACHE_DIR": str(work / "cache"), "AVR_PROGRESS": "none", "PYTHONPATH": str(ROOT)}
    before, start = _cpu_seconds(), time.monotonic()
    _run(work, environment, "frames", "data/clips.csv", "data/frames")
    peak_megabytes = _run(work, environment, "network", "inception", "data/frames", "data/inception")
    seconds = time.monotonic() - start
    sizes = [_megabytes(work / name) for name in ("data", "cache/clips")]
    shutil.rmtree(work)
    return WayCost(_cpu_seconds() - before, seconds, sizes[0], sizes[1], peak_megabytes)


def _run(work: Path, environment: Mapping[str, str], stage: str, *words: str) -> float:
    """The highest resident memory of a stage's own process, MB."""
    command, peak_megabytes = [sys.executable, "-m", f"stages.{stage}", *words], 0.0
    process = subprocess.Popen(command, cwd=work, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak_megabytes = max([peak_megabytes, *(float(kb) * 1.024e-3 for kb in re.findall(r"VmHWM:\s+(\d+)", status))])
        time.sleep(POLL_SECONDS)
    if process.returncode:
        raise RuntimeError(f"stage {stage} failed; its own message stands above")
    return peak_megabytes


def _cpu_seconds() -> float:
    """Of all processes that were started here and have ended, also by others of them."""
    with suppress(ChildProcessError):
        while True:
            os.wait()  # workers end after the process that started them
    return seconds_of_children()


def _megabytes(folder: Path) -> float:
    """What the files below a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
