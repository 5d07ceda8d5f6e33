"""How many clips a second a stage decodes with more workers: processes, Ray, and shares by ``--shard``.

Every way is the command that a user types, with a cache of its own, on clips that are made first. The ways take turns,
round after round, so that whatever else the machine does meets all alike. When a clip was done is read from its entry
in the cache: the table has the seconds until the first one, the rate from there to the last, and that rate as a share
of what as many workers would reach if they did not hinder each other. Medians over the rounds.
"""

import argparse
import os
import platform
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
CLIP_SECONDS, FRAMES_PER_SECOND, HEIGHT, WIDTH, SAMPLE_RATE = 10, 25, 360, 640, 16000
POLL_SECONDS = 0.02


class Setup(NamedTuple):
    """Commands that run at the same time, and how many workers they have together."""

    name: str
    n_workers: int
    commands: Sequence[Sequence[str]]
    environment: Mapping[str, str]


class Throughput(NamedTuple):
    """What is measured of a way once."""

    first_seconds: float
    clips_per_second: float


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    counts = f"{arguments.clips} clips, {arguments.rounds} rounds"
    print(f"{platform.machine()}, {os.cpu_count()} cores, stage {arguments.stage}, {counts}")
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_data_set(folder, arguments.clips)
        ways = _ways(arguments.stage, folder, arguments.engines.split(","))
        rounds = [[_measure(way, folder, k) for way in ways] for k in range(arguments.rounds)]
    print(table(ways, rounds))


def write_data_set(folder: Path, n_clips: int) -> None:
    """Write clips.csv and its videos: one is encoded, the others differ from it by a note that no decoder looks at."""
    write_list(folder, write_copies(write_clip(folder / "first.mp4", 0), folder, n_clips))


def write_clip(path: Path, seed: int) -> Path:
    """Write a video of noise that drifts, and return its path."""
    import numpy as np

    from pipeline.video import write_mp4

    rng = np.random.default_rng(seed)
    sound = rng.uniform(-0.5, 0.5, CLIP_SECONDS * SAMPLE_RATE).astype(np.float32)
    write_mp4(path, _pictures(rng), FRAMES_PER_SECOND, sound, SAMPLE_RATE)
    return path


def write_list(folder: Path, paths: Sequence[Path]) -> None:
    """Write clips.csv of the videos of a folder."""
    from pipeline.formats.clips import Clip, write_clips, write_root
    from pipeline.formats.files import file_sha256

    clips = [Clip(clip_id=path.name, path=path.name, label="x", sha256=file_sha256(path)) for path in paths]
    write_clips(folder / "clips.csv", clips)
    write_root(folder / "clips.csv", folder)


def write_copies(first: Path, folder: Path, n_copies: int) -> list[Path]:
    """Write copies of a video, 0.mp4, 1.mp4 ..., that differ by a note no decoder looks at; return their paths."""
    media, paths = first.read_bytes(), [folder / f"{number}.mp4" for number in range(n_copies)]
    for number, path in enumerate(paths):
        path.write_bytes(media + struct.pack(">I4sI", 12, b"free", number))
    return paths


def table(ways: Sequence[Setup], rounds: Sequence[Sequence[Throughput]]) -> str:
    """Return a markdown table of medians; rounds holds what each way took, round by round."""
    import numpy as np

    first = np.array([[run.first_seconds for run in runs] for runs in rounds])  # (n_rounds, n_ways)
    rate = np.array([[run.clips_per_second for run in runs] for runs in rounds])
    alone = {way.name: rate[:, k] for k, way in enumerate(ways) if way.n_workers == 1}
    lines = ["| way | workers | seconds to the first clip | clips/s | share of ideal |", "|---|---|---|---|---|"]
    for k, way in enumerate(ways):
        share = np.median(rate[:, k] / (way.n_workers * alone[way.name]))
        numbers = f"{np.median(first[:, k]):.1f} | {np.median(rate[:, k]):.1f} | {share:.2f}"
        lines.append(f"| {way.name} | {way.n_workers} | {numbers} |")
    return "\n".join(lines)


def _ways(stage: str, folder: Path, engines: Sequence[str]) -> list[Setup]:
    """Every engine with 1, 2, 4 ... workers up to the number of cores."""
    plain = [sys.executable, "-m", f"stages.{stage}", str(folder / "clips.csv"), str(folder / "out")]
    counts = [1 << k for k in range((os.cpu_count() or 1).bit_length())]
    pairs = [(name, n) for name in engines for n in counts]
    ways = [Setup(f"AVR_ENGINE={name}", n, [plain], {"AVR_ENGINE": name, "AVR_WORKERS": str(n)}) for name, n in pairs]
    for n in counts:
        shards = [[*plain, "--shard", f"{i}/{n}"] for i in range(1, n + 1)]
        ways.append(Setup("--shard, a worker each", n, shards, {"AVR_WORKERS": "1"}))
    return ways


def _measure(way: Setup, folder: Path, number: int) -> Throughput:
    """Run all commands of a way at once, with an empty cache."""
    cache = folder / f"cache-{way.name}-{way.n_workers}-{number}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AVR_CACHE_DIR": str(cache), **way.environment}
    start = time.time()
    quiet = subprocess.DEVNULL
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet) for command in way.commands
    ]
    done: list[float] = []
    while any(process.poll() is None for process in running):
        done += [time.time()] * (len(list(cache.glob("clips/*/*/*.safetensors"))) - len(done))
        time.sleep(POLL_SECONDS)
    if any(process.returncode for process in running):
        raise RuntimeError(f"{way.name} with {way.n_workers} workers failed; run the stage by hand to see why")
    return Throughput(done[0] - start, (len(done) - 1) / (done[-1] - done[0]))


def _pictures(rng: "np.random.Generator") -> "list[NDArray[np.uint8]]":
    """A few noise textures that drift: neither free nor impossible to compress."""
    import numpy as np

    texture = np.repeat(np.repeat(rng.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), np.uint8), 8, 0), 8, 1)
    return [np.roll(texture, (2 * k, 3 * k), (0, 1)) for k in range(CLIP_SECONDS * FRAMES_PER_SECOND)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--stage", choices=["frames", "logmel"], default="frames")
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="processes,ray", help="separated by commas")
    return parser.parse_args()


if __name__ == "__main__":
    main()
