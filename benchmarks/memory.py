"""How much memory the network stages take for a clip of three hours beside six small ones.

The shards that the stages read are made here: noise in place of log-mel examples, and the JPEG files of a few pictures
over and over, made ones or, with --source, those of a real video. Then the real stages run as processes of their own,
with random weights; the table has the highest ``VmHWM`` of their /proc/PID/status, and the highest ``RssAnon``, what
no file stands behind. Inception looks at some ten pictures a second: --seconds ends it early, when its peak no
longer moves, and a small --picture-size shows what its end adds.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipeline.shards import Arrays

ROOT = Path(__file__).parent.parent
LONG_SECONDS, SHORT_SECONDS, N_SHORT = 3 * 3600, 10, 6
EXAMPLE_SECONDS = 0.96
N_PICTURES = 30  # different ones
LOOK_SECONDS = 0.1


class Peak(NamedTuple):
    """What a process took.

    Attributes:
        resident_mebibytes: the most it held.
        anonymous_mebibytes: the most of it that is no file.
        seconds: how long it ran.
        is_whole: whether it came to its end.
    """

    resident_mebibytes: float
    anonymous_mebibytes: float
    seconds: float
    is_whole: bool


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    print("| stage | peak, MiB | of it anonymous | ran |\n|---|---|---|---|", flush=True)
    for stage in arguments.stages:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if stage == "vggish":
                write_examples(folder / "in")
            else:
                write_pictures(folder / "in", arguments.source, arguments.picture_size)
            peak = peak_of(stage, folder, arguments.seconds)
        ran = f"{peak.seconds:.0f} s" + ("" if peak.is_whole else ", then stopped")
        print(f"| `{stage}` | {peak.resident_mebibytes:.0f} | {peak.anonymous_mebibytes:.0f} | {ran} |", flush=True)


def write_examples(folder: Path) -> None:
    """Write what the stage ``logmel`` leaves of the clips."""
    import numpy as np

    from pipeline.shards import write_shards

    def examples(clip_id: str) -> "Arrays":
        rng = np.random.default_rng(len(clip_id))
        seconds = np.arange(0, _seconds_of(clip_id) - EXAMPLE_SECONDS, EXAMPLE_SECONDS)
        return {"examples": rng.standard_normal((len(seconds), 96, 64), np.float32), "seconds": seconds}

    write_shards(folder, _clip_ids(), examples)


def write_pictures(folder: Path, source: Path | None, picture_size: int) -> None:
    """Write what the stage ``frames`` leaves of the clips."""
    import itertools

    import numpy as np

    from benchmarks.decode import made_frames, real_frames
    from pipeline.frames import FramesParams, picture_arrays
    from pipeline.params import load_params
    from pipeline.shards import write_shards

    params = load_params("frames", FramesParams, ROOT / "params.yaml").model_copy(update={"size": picture_size})
    frames = itertools.islice(made_frames(640, 360) if source is None else real_frames(source), N_PICTURES)
    few = picture_arrays(
        "few", ((0.0, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)) for frame in frames), params
    )
    files = np.split(few["jpeg"], np.cumsum(few["lengths"])[:-1])

    def pictures(clip_id: str) -> "Arrays":
        seconds = np.arange(_seconds_of(clip_id)) + 0.5
        chosen = [files[k % N_PICTURES] for k in range(len(seconds))]
        return {"jpeg": np.concatenate(chosen), "lengths": np.array(list(map(len, chosen))), "seconds": seconds}

    write_shards(folder, _clip_ids(), pictures)


def peak_of(stage: str, folder: Path, stop_after_seconds: float | None) -> Peak:
    """Run a stage in a folder that holds its ``in``, and watch it."""
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(params.replace("allow_random: false", "allow_random: true"), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CACHE_DIR": str(folder / "cache"), "DEVICE": "cpu"}
    command = [sys.executable, "-m", f"stages.{stage}", "in", "out"]
    start, peaks = time.monotonic(), [(0.0, 0.0)]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if stop_after_seconds is not None and time.monotonic() - start > stop_after_seconds:
                process.kill()
                break
            peaks.extend(_memory_of(process.pid))
            time.sleep(LOOK_SECONDS)
    if process.returncode > 0:
        raise SystemExit(f"{stage} failed")
    resident, anonymous = zip(*peaks, strict=True)
    return Peak(max(resident), max(anonymous), time.monotonic() - start, process.returncode == 0)


def _memory_of(process_id: int) -> Iterator[tuple[float, float]]:
    """VmHWM and RssAnon of a process in MiB, once; nothing where it has ended."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    kibibytes = dict(re.findall(r"^(VmHWM|RssAnon):\s+(\d+) kB$", status, re.MULTILINE))
    if len(kibibytes) == 2:
        yield int(kibibytes["VmHWM"]) / 1024, int(kibibytes["RssAnon"]) / 1024


def _clip_ids() -> list[str]:
    """The long clip and the short ones."""
    return ["long", *(f"short{k}" for k in range(N_SHORT))]


def _seconds_of(clip_id: str) -> int:
    """How long a clip is."""
    return LONG_SECONDS if clip_id == "long" else SHORT_SECONDS


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("stages", nargs="*", default=["vggish", "inception"], help="default: vggish inception")
    parser.add_argument("--source", type=Path, help="a video to take the pictures of (default: made pictures)")
    parser.add_argument("--picture-size", type=int, default=299, help="side of the pictures (default: 299)")
    parser.add_argument("--seconds", type=float, help="stop each stage after this long (default: let it end)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
