"""How much memory the stages that work clip by clip take for a clip of three hours beside six small ones.

What the stages read is made here. ``logmel`` and ``frames`` get MP4 files, the long one the packets of a clip of ten
seconds over and over; a network gets noise in place of log-mel examples, or the JPEG files of a few pictures over and
over. Pictures are made ones or, with --source, those of a real video. Then the real stages run as processes of their
own, with random weights; the table has the highest ``VmHWM`` of their and of their workers' /proc/PID/status, and the
highest ``RssAnon``, what no file stands behind. A network of pictures looks at some ten of them a second: --seconds
ends it early, when its peak no longer moves, and a small --picture-size shows what its end adds.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.network_parts.base import network_lines

if TYPE_CHECKING:
    from pipeline.formats.shards import Arrays

ROOT = Path(__file__).parent.parent
LONG_SECONDS, SHORT_SECONDS, N_SHORT = 3 * 3600, 10, 6
DECODING = ("logmel", "frames")
EXAMPLE_SECONDS = 0.96
N_PICTURES = 30  # different ones
LOOK_SECONDS = 0.1


class Peak(NamedTuple):
    """The most that a process held.

    Attributes:
        resident_mebibytes: all of it.
        anonymous_mebibytes: what is no file.
    """

    resident_mebibytes: float
    anonymous_mebibytes: float

    def __str__(self) -> str:
        """Return both, the second in brackets."""
        return f"{self.resident_mebibytes:.0f} ({self.anonymous_mebibytes:.0f})"


class StageRun(NamedTuple):
    """What a stage took.

    Attributes:
        parent: the process that was started.
        worker: the largest of those that it started; 0 where there is none.
        seconds: how long it ran.
        is_whole: whether it came to its end.
    """

    parent: Peak
    worker: Peak
    seconds: float
    is_whole: bool


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    lines = network_lines(ROOT / "params.yaml")
    print("| stage | peak, MiB (anonymous) | of a worker | ran |\n|---|---|---|---|", flush=True)
    for stage in arguments.stages or [*DECODING, *lines]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if stage in DECODING:
                write_videos(folder / "in", arguments.source)
            elif lines[stage].inputs == "logmel":
                write_examples(folder / "in")
            else:
                write_pictures(folder / "in", arguments.source, arguments.picture_size)
            done = run([stage] if stage in DECODING else ["network", stage], folder, arguments.seconds)
        ran = f"{done.seconds:.0f} s" + ("" if done.is_whole else ", then stopped")
        print(f"| `{stage}` | {done.parent} | {done.worker} | {ran} |", flush=True)


def write_videos(clips_csv: Path, source: Path | None) -> None:
    """Write the clips and the list of them, as the stage ``dataset`` does; FFmpeg's command line loops the long one."""
    from benchmarks.decode import make_clip
    from pipeline.formats.clips import Clip, write_clips, write_root
    from pipeline.formats.files import file_sha256

    short = make_clip(clips_csv.parent, 320, 240, 12, source)
    clips = []
    for clip_id in _clip_ids():
        path = clips_csv.with_name(f"{clip_id}.mp4")
        loops = ["-stream_loop", str(_seconds_of(clip_id) // SHORT_SECONDS - 1)]
        subprocess.run(["ffmpeg", "-v", "error", *loops, "-i", short, "-c", "copy", path], check=True)
        clips.append(Clip(clip_id=clip_id, path=path.name, label="x", sha256=file_sha256(path)))
    write_clips(clips_csv, clips)
    write_root(clips_csv, clips_csv.parent)


def write_examples(folder: Path) -> None:
    """Write what the stage ``logmel`` leaves of the clips."""
    import numpy as np

    from pipeline.formats.shards import write_shards

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
    from pipeline.formats.shards import write_shards
    from pipeline.frames import FramesParams, picture_arrays
    from pipeline.settings.params import load_params

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


def run(words: Sequence[str], folder: Path, stop_after_seconds: float | None) -> StageRun:
    """Run a stage, and of the stage ``network`` one network, in a folder that holds its ``in``, and watch it."""
    from pipeline.formats import rejects

    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(params.replace("allow_random: false", "allow_random: true"), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AVR_CACHE_DIR": str(folder / "cache"), "AVR_DEVICE": "cpu"}
    command = [sys.executable, "-m", f"stages.{words[0]}", *words[1:], "in", "out"]
    start, parent, worker = time.monotonic(), Peak(0, 0), Peak(0, 0)
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if stop_after_seconds is not None and time.monotonic() - start > stop_after_seconds:
                process.kill()
                break
            parent = higher(parent, process.pid)
            for worker_id in offspring(process.pid):
                worker = higher(worker, worker_id)
            time.sleep(LOOK_SECONDS)
    if process.returncode > 0 or (process.returncode == 0 and rejects.read(folder / "out" / rejects.FILE)):
        raise SystemExit(f"{' '.join(words)} failed or refused a clip")
    return StageRun(parent, worker, time.monotonic() - start, process.returncode == 0)


def higher(peak: Peak, process_id: int) -> Peak:
    """Return the peak, or VmHWM and RssAnon of a process where they are higher; one that has ended has none."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
        kibibytes = dict(re.findall(r"^(VmHWM|RssAnon):\s+(\d+) kB$", status, re.MULTILINE))
        now = [int(kibibytes.get(name, 0)) / 1024 for name in ("VmHWM", "RssAnon")]
        return Peak(*map(max, peak, now))
    return peak


def offspring(process_id: int) -> list[int]:
    """Return the processes that a process has started, from whatever thread, and those that these have."""
    paths = Path(f"/proc/{process_id}/task").glob("*/children")
    with contextlib.suppress(OSError):
        children = [int(child) for path in paths for child in path.read_text(encoding="ascii").split()]
        return [*children, *(grandchild for child in children for grandchild in offspring(child))]
    return []


def seconds_of_children() -> float:
    """Return the CPU seconds of the processes that this one has started and waited for."""
    times = os.times()
    return times.children_user + times.children_system


def _clip_ids() -> list[str]:
    """The long clip and the short ones."""
    return ["long", *(f"short{k}" for k in range(N_SHORT))]


def _seconds_of(clip_id: str) -> int:
    """How long a clip is."""
    return LONG_SECONDS if clip_id == "long" else SHORT_SECONDS


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("stages", nargs="*", help="logmel, frames or a network (default: all)")
    parser.add_argument("--source", type=Path, help="a video to take the pictures of (default: made pictures)")
    parser.add_argument("--picture-size", type=int, default=299, help="side of a network's pictures (default: 299)")
    parser.add_argument("--seconds", type=float, help="stop each stage after this long (default: let it end)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
