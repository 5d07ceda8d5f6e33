"""What stage ``train`` takes of many pairs: memory, disk and CPU time, with features in memory and in their file.

For each number of pairs a table of made features (1024 visual and 128 audio numbers, 300 classes, clips class by
class) is written block by block in a temporary project, and the real stage fits ``dual_subspace`` with the params of
params.yaml and one seed, for one epoch and then for more: a step costs the difference, over the steps of those epochs.
Memory is the highest ``VmHWM`` of the process, and the highest ``RssAnon``, what no file stands behind. Disk is what
the project's files take at most beside the features, those without a name included.
"""

import argparse
import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from benchmarks.memory import LOOK_SECONDS, Peak, higher, seconds_of_children

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
VISUAL_WIDTH, AUDIO_WIDTH, N_CLASSES = 1024, 128, 300
SPLITS = {"train": 0.6, "validation": 0.15, "test": 0.25}
ROWS_AT_ONCE = 10_000
OUTS = ("models", "embeddings", "cache")
N_STEPS = 5_000  # so many at least tell what one costs
WAYS = {"in memory": 1 << 60, "streamed": 0, "as the stage chooses": None}  # bytes from which features are streamed


class PairsRun(NamedTuple):
    """What a run of the stage took."""

    cpu_seconds: float
    seconds: float
    peak: Peak
    disk_bytes: int


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    if arguments.streamed_from is not None:
        _train(arguments.streamed_from)
        return
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}", flush=True)
    print(
        "| pairs | features, GB | way | peak, GB (anonymous) | anonymous / features | disk beside the features, GB "
        "| CPU s, one epoch | CPU ms a step |\n|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    for n_pairs in map(int, arguments.pairs.split(",")):
        with TemporaryDirectory(dir=arguments.folder) as name:
            write_pairs(Path(name) / "features.safetensors", n_pairs)
            for way in arguments.ways.split(","):
                print(row(Path(name), n_pairs, way), flush=True)


def row(project: Path, n_pairs: int, way: str) -> str:
    """Return the line of the table of one way."""
    n_steps = SPLITS["train"] * n_pairs / _params()["model"]["batch_size"]
    n_more = math.ceil(N_STEPS / n_steps)
    one, more = (measure(project, n_epochs, way) for n_epochs in (1, 1 + n_more))
    n_bytes = (project / "features.safetensors").stat().st_size
    peak, anonymous = (mebibytes * 2**20 / 1e9 for mebibytes in one.peak)
    return (
        f"| {n_pairs:,} | {n_bytes / 1e9:.2f} | {way} | {peak:.2f} ({anonymous:.2f}) | {anonymous * 1e9 / n_bytes:.2f} "
        f"| {(one.disk_bytes - n_bytes) / 1e9:.2f} | {one.cpu_seconds:.0f} "
        f"| {1e3 * (more.cpu_seconds - one.cpu_seconds) / (n_more * n_steps):.2f} |"
    )


def write_pairs(path: Path, n_pairs: int) -> None:
    """Write a table of features whose classes can be told apart in part, as ``FeatureTable.save`` would."""
    import numpy as np

    from pipeline.formats.feature_table import METADATA_KEY
    from pipeline.formats.texts import pack_texts

    rng = np.random.default_rng(0)
    labels = np.sort(np.arange(n_pairs) % N_CLASSES)
    texts = {
        "clip_ids": [f"class_{label:03d}/a_name_as_videos_have_{i:08d}.mp4" for i, label in enumerate(labels)],
        "splits": rng.choice(list(SPLITS), n_pairs, p=list(SPLITS.values())).tolist(),
        "classes": [f"class_{label:03d}" for label in range(N_CLASSES)],
    }
    small: dict[str, NDArray[Any]] = {"labels": labels, **pack_texts(texts)}
    widths = {"audio": AUDIO_WIDTH, "visual": VISUAL_WIDTH}
    header: dict[str, Any] = {"__metadata__": {METADATA_KEY: "{}"}}
    end = 0
    kinds = {"int64": "I64", "uint8": "U8"}
    facts = {name: ("F32", [n_pairs, width], 4 * n_pairs * width) for name, width in widths.items()}
    facts |= {name: (kinds[str(array.dtype)], [*array.shape], array.nbytes) for name, array in small.items()}
    for name, (kind, shape, n_bytes) in sorted(facts.items(), key=lambda fact: fact[1][0] == "U8"):
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + n_bytes]}
        end += n_bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in list(header)[1:]:
            if name in small:
                file.write(small[name].tobytes())
                continue
            centres = rng.standard_normal((N_CLASSES, widths[name]), np.float32)
            for start in range(0, n_pairs, ROWS_AT_ONCE):
                of_rows = labels[start : start + ROWS_AT_ONCE]
                noise = rng.standard_normal((len(of_rows), widths[name]), np.float32)
                file.write((0.2 * centres[of_rows] + noise).tobytes())


def measure(project: Path, n_epochs: int, way: str) -> PairsRun:
    """Run the stage in a process of its own, and watch it."""
    params = _params()
    params["models"] = {"dual_subspace": "model"}
    params["model"] |= {"seeds": [0], "epochs": n_epochs}
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for folder in OUTS:
        shutil.rmtree(project / folder, ignore_errors=True)
    settings = {"PYTHONPATH": str(ROOT), "AVR_CACHE_DIR": str(project / "cache"), "AVR_PROGRESS": "none"}
    words = ["stages.train", "features.safetensors", "models", "embeddings"]
    if WAYS[way] is not None:
        words = ["benchmarks.many_pairs", "--streamed-from", str(WAYS[way])]
    command = [sys.executable, "-m", *words]
    before, start, peak, disk_bytes = seconds_of_children(), time.monotonic(), Peak(0, 0), 0
    with subprocess.Popen(command, cwd=project, env=os.environ | settings, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = higher(peak, process.pid)
            disk_bytes = max(disk_bytes, _disk_bytes(project, process.pid))
            time.sleep(LOOK_SECONDS)
    if process.returncode:
        raise SystemExit(f"stage train failed with {n_epochs} epochs, {way}")
    return PairsRun(seconds_of_children() - before, time.monotonic() - start, peak, disk_bytes)


def _train(streamed_from: int) -> None:
    """Do what the stage does in a folder, with features streamed from another size on than by themselves."""
    from pipeline.formats import stored_features
    from pipeline.model_parts.every_model import train_models

    stored_features.STREAMED_FROM_BYTES = streamed_from
    train_models("features.safetensors", "models", "embeddings")


def _params() -> dict[str, Any]:
    """What params.yaml says."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return params


def _disk_bytes(project: Path, process_id: int) -> int:
    """What the files of a folder take, and those without a name that a process has open."""
    sizes: dict[int, int] = {}
    named, opened = project.rglob("*"), Path(f"/proc/{process_id}/fd").glob("*")
    for path in (*named, *opened):
        with contextlib.suppress(OSError):
            facts = path.stat()
            if facts.st_dev == project.stat().st_dev and (facts.st_nlink == 0 or path.is_relative_to(project)):
                sizes[facts.st_ino] = facts.st_blocks * 512
    return sum(sizes.values())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_pairs", description=__doc__)
    parser.add_argument("--pairs", default="1000000", help="numbers of pairs, separated by commas (default: 1000000)")
    parser.add_argument("--ways", default="as the stage chooses", help=f"of {', '.join(WAYS)}; separated by commas")
    parser.add_argument("--folder", type=Path, help="where the project is made (default: among temporary files)")
    parser.add_argument("--streamed-from", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
