"""What finished clips cost, beside another checkout of this project: looking entries up, reading them, a stage of none.

Both checkouts make the same entries and the same small videos for themselves, and then take turns, round after round,
in processes of their own with this Python. The table has medians of CPU seconds, children included, and the ratio
within a round: below 1 this checkout is the faster one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.memory import seconds_of_children

ROOT = Path(__file__).parents[1]
ENTRIES = """
import sys, time
from pathlib import Path
import numpy as np
from pipeline.clip_jobs.cache import ClipCache
folder, n_entries = Path(sys.argv[1]), int(sys.argv[2])
cache, names = ClipCache(folder, "code and parameters"), [f"clip {number}" for number in range(n_entries)]
rng = np.random.default_rng(0)
if not folder.exists():
    for name in names:
        cache.write(name, {"examples": rng.random((10, 96, 64), np.float32), "seconds": np.arange(10.0)})
begin = time.process_time()
assert all(cache.look_up(name, name).state == "done" for name in names)
middle = time.process_time()
for name in names:
    cache.read(name, name)
print(middle - begin, time.process_time() - middle)
"""
VIDEOS = """
import sys
from pathlib import Path
import numpy as np
import yaml
from pipeline.video import write_mp4
folder = Path(sys.argv[1])
for number in range(int(sys.argv[2])):
    path = folder / "videos" / "ab"[number % 2] / f"{number}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    write_mp4(path, list(rng.integers(0, 255, (20, 64, 64, 3), np.uint8)), 10, rng.random(32000, np.float32), 16000)
params = yaml.safe_load(Path(sys.argv[3]).read_text())
params["dataset"] |= {"source": "folder", "path": "videos"}
for network in params["networks"]:
    params[network]["allow_random"] = True
(folder / "params.yaml").write_text(yaml.safe_dump(params))
"""
STAGES = {
    "dataset": ["data/clips.csv", "data/imported.safetensors", "data/dataset"],
    "logmel": ["data/clips.csv", "data/logmel"],
}
WAYS = ("look up an entry", "read an entry", *(f"stage {name}, nothing to compute" for name in STAGES))


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    checkouts = {"this": ROOT, "other": arguments.checkout.resolve()}
    with tempfile.TemporaryDirectory() as folder:
        for name, checkout in checkouts.items():
            prepare(checkout, Path(folder, name), arguments.clips)
            measure(checkout, Path(folder, name), arguments)  # makes the entries, and warms up
        rounds = [
            {name: measure(checkout, Path(folder, name), arguments) for name, checkout in checkouts.items()}
            for _ in range(arguments.rounds)
        ]
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}, {arguments.rounds} rounds")
    print("| what | this, ms | other, ms | ratio |\n|---|---|---|---|")
    for place, what in enumerate(WAYS):
        this, other = ([seconds[name][place] for seconds in rounds] for name in checkouts)
        ratios = [mine / theirs for mine, theirs in zip(this, other, strict=True)]
        print(f"| {what} | {1e3 * _median(this):.3g} | {1e3 * _median(other):.3g} | {_median(ratios):.2f} |")


def prepare(checkout: Path, folder: Path, n_clips: int) -> None:
    """Make the videos and the parameters of a checkout."""
    folder.mkdir()
    _run(checkout, folder, "-c", VIDEOS, str(folder), str(n_clips), str(checkout / "params.yaml"))


def measure(checkout: Path, folder: Path, arguments: argparse.Namespace) -> list[float]:
    """CPU seconds of each of WAYS, an entry or a stage."""
    done = _run(checkout, folder, "-c", ENTRIES, str(folder / "entries"), str(arguments.entries))
    seconds = [float(word) / arguments.entries for word in done.split()]
    for stage, paths in STAGES.items():
        before = seconds_of_children()
        _run(checkout, folder, "-m", f"stages.{stage}", *paths)
        seconds.append(seconds_of_children() - before)
    return seconds


def _run(checkout: Path, folder: Path, *words: str) -> str:
    """What a Python of a checkout prints."""
    environment = {"PYTHONPATH": str(checkout), "AVR_CACHE_DIR": str(folder / "cache"), "AVR_PROGRESS": "none"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=os.environ | environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def _median(values: list[float]) -> float:
    """The middle one of the sorted values, the upper one of two."""
    return sorted(values)[len(values) // 2]


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__)
    parser.add_argument("checkout", type=Path, help="folder of another checkout, such as one of git worktree")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--entries", type=int, default=500, help="of the clip cache, 250 kB each")
    parser.add_argument("--clips", type=int, default=40, help="of the stages")
    return parser.parse_args()


if __name__ == "__main__":
    main()
