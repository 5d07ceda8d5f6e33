"""What the loop over clips costs by itself: clips of a few bytes, and a stage that makes a number of each.

For each number of clips the table has a run with an empty cache and one that finds everything finished: CPU
milliseconds a clip (all processes together), seconds on the clock, the highest memory of the process that holds the
loop, and the size of clips.csv. ``--cache`` takes a folder or the URL of an object store, which the environment names.
"""

import argparse
import ctypes
import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.memory import seconds_of_children

ROOT = Path(__file__).parent.parent
SUBREAPER = 36  # of prctl: processes whose parent is gone become children of this one, which can count their time
FILES_PER_FOLDER = 1000


class LoopCost(NamedTuple):
    """What one run of the loop took."""

    cpu_seconds: float
    seconds: float
    peak_megabytes: float


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    if arguments.run:
        _run_loop(arguments.run, arguments.cache, arguments.numbers)
        return
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}, AVR_WORKERS={arguments.workers}")
    print(
        "| clips | clips.csv, MB | run | CPU ms a clip | seconds | peak of the parent, MB |\n|---|---|---|---|---|---|"
    )
    for n_clips in map(int, arguments.clips.split(",")):
        with TemporaryDirectory() as name:
            folder = Path(name)
            cache = f"{arguments.cache}/{n_clips}-{time.time_ns()}" if arguments.cache else str(folder / "cache")
            write_clips_of_bytes(folder, n_clips)
            megabytes = (folder / "clips.csv").stat().st_size / 1e6
            for run in ("nothing is finished", "all are finished"):
                cost = measure(folder, cache, arguments.workers, arguments.numbers)
                numbers = f"{1e3 * cost.cpu_seconds / n_clips:.2f} | {cost.seconds:.1f} | {cost.peak_megabytes:.0f}"
                print(f"| {n_clips:,} | {megabytes:.1f} | {run} | {numbers} |", flush=True)


def write_clips_of_bytes(folder: Path, n_clips: int) -> None:
    """Write clips.csv and its files, all different."""
    from pipeline.formats.clips import Clip, write_clips, write_root
    from pipeline.formats.files import file_sha256

    clips = []
    for number in range(n_clips):
        path = folder / "videos" / f"class_{number // FILES_PER_FOLDER:04d}" / f"a_name_as_videos_have_{number:08d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(number).encode())
        name = path.relative_to(folder).as_posix()
        clips.append(Clip(clip_id=name, path=name, label=path.parent.name, sha256=file_sha256(path)))
    write_clips(folder / "clips.csv", clips)
    write_root(folder / "clips.csv", folder)


def measure(folder: Path, cache: str, workers: int, n_times: int) -> LoopCost:
    """Run the loop in a process of its own."""
    environment = {**os.environ, "AVR_WORKERS": str(workers), "AVR_PROGRESS": "none", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.many_clips", "--run", str(folder), "--cache", cache]
    command += ["--numbers", str(n_times)]
    before = seconds_of_children()
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    with suppress(ChildProcessError):
        while True:
            os.wait()  # workers end after the process that started them
    said = json.loads(done.stdout.splitlines()[-1])
    return LoopCost(seconds_of_children() - before, said["seconds"], said["peak_megabytes"])


def _run_loop(folder: Path, cache: str, n_times: int) -> None:
    """The loop over the clips of a folder, and what it took, as JSON."""
    from benchmarks.numbers_of_clips import number_of
    from pipeline.clip_jobs.cache import ClipCache
    from pipeline.clip_jobs.engines import prepare
    from pipeline.clip_jobs.loop import Job, map_videos
    from pipeline.clip_jobs.share import Share

    prepare(["pipeline.clip_jobs.loop", "benchmarks.numbers_of_clips"])
    job = Job("numbers", ClipCache(cache, "f"), folder / "out", Share(1, 1))
    start = time.monotonic()
    map_videos(job, folder / "clips.csv", partial(number_of, n_times=n_times), 0.0, 60.0)
    seconds = time.monotonic() - start
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    kilobytes = int(found[1]) if found else 0
    print(json.dumps({"seconds": seconds, "peak_megabytes": kilobytes * 1024 / 1e6}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_clips", description=__doc__)
    parser.add_argument("--clips", default="10000,100000", help="numbers of clips, separated by commas")
    parser.add_argument(
        "--cache", default="", help="folder or URL of the cache; without it a folder of temporary files"
    )
    parser.add_argument("--numbers", type=int, default=1, help="how often an entry has its number, 8 bytes each")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
