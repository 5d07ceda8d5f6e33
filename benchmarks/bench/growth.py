"""What a clip more costs the stages that decode, and what is paid once, however many clips there are.

The clips are so short that all but the work on them shows. The limit is the work alone, in one process.
"""

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from benchmarks.bench.child import wait_for_orphans
from benchmarks.bench.ways import Aim, BenchRow, Task, Way, WorkSize
from benchmarks.scale import write_copies
from pipeline.errors import DataError

LIMIT = "the function alone"
SECONDS, RATE, HEIGHT, WIDTH, SAMPLE_RATE = 1.2, 10, 120, 160, 16000
REASON = "a hash, a message to a worker, an entry in the cache and a place in a shard, for each clip"
N_ALONE = 40  # clips of the limit
Stage = Literal["logmel", "frames"]


def rows(is_quick: bool) -> list[BenchRow]:
    """Return a row for each stage that decodes."""
    numbers = (2, 4) if is_quick else (20, 150, 600)
    return [_row(stage, numbers, 1 if is_quick else 3) for stage in ("logmel", "frames")]


def _row(stage: Stage, numbers: tuple[int, ...], n_rounds: int) -> BenchRow:
    """A row of a stage with several numbers of clips."""
    ways = [Way("ours", "ours", f"{stage}_stage"), Way(LIMIT, "limit", f"{stage}_alone")]
    what = f"a clip of 1.2 s more in stage {stage}, from {numbers[0]} to {numbers[-1]} clips"
    size = {f"clips_{place}": number for place, number in enumerate(numbers)}
    return BenchRow(
        f"a clip more, {stage}", "growth", what, "ms a clip", __name__, size, ways, n_rounds, Aim(LIMIT, 2.5, REASON),
        lambda folder: write_tables(folder, numbers), starts_anew=False,
    )  # fmt: skip


def write_clips(folder: Path, n_clips: int) -> None:
    """Write clips that no decoder can tell apart, of different bytes."""
    import numpy as np

    from pipeline.video import write_mp4

    rng, n_pictures = np.random.default_rng(0), round(SECONDS * RATE)
    coarse = rng.integers(0, 255, (n_pictures, HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    sound = rng.uniform(-0.5, 0.5, round(SECONDS * SAMPLE_RATE)).astype(np.float32)
    write_mp4(folder / "first.mp4", list(coarse.repeat(8, axis=1).repeat(8, axis=2)), RATE, sound, SAMPLE_RATE)
    write_copies(folder / "first.mp4", folder, n_clips)


def write_tables(folder: Path, numbers: Sequence[int]) -> None:
    """Write clips, and for each number the list of so many of them, as the stage ``dataset`` does."""
    from pipeline.formats import clips as lists
    from pipeline.formats.files import file_sha256

    write_clips(folder, max(numbers))
    videos = sorted(path for path in folder.glob("*.mp4") if path.stem.isdigit())
    found = [lists.Clip(clip_id=path.name, path=path.name, label="x", sha256=file_sha256(path)) for path in videos]
    for number in numbers:
        lists.write_clips(folder / f"{number}.csv", found[:number])
        lists.write_root(folder / f"{number}.csv", folder)


def logmel_stage(size: WorkSize, folder: Path) -> Task:
    """Prepare the stage ``logmel``."""
    return _stage("logmel", size, folder)


def frames_stage(size: WorkSize, folder: Path) -> Task:
    """Prepare the stage ``frames``."""
    return _stage("frames", size, folder)


def logmel_alone(size: WorkSize, folder: Path) -> Task:
    """Prepare the work of stage ``logmel`` on a clip, without the stage."""
    return _alone("logmel", folder)


def frames_alone(size: WorkSize, folder: Path) -> Task:
    """Prepare the work of stage ``frames`` on a clip, without the stage."""
    return _alone("frames", folder)


def _stage(stage: Stage, size: WorkSize, folder: Path) -> Task:
    """The stage with each number of clips, each time with an empty cache."""
    import pipeline

    Path("params.yaml").write_bytes((Path(pipeline.__path__[0]).parent / "params.yaml").read_bytes())
    tables = {n_clips: folder / f"{n_clips}.csv" for n_clips in sorted(size.values())}
    stretch = [(n_clips, partial(_run_stage, stage, table, n_clips)) for n_clips, table in tables.items()]
    return Task(stretch[0][1], 1, stretch=stretch)


def _run_stage(stage: Stage, table: Path, n_clips: int) -> None:
    """One run, whose workers have ended when it returns.

    Raises:
        DataError: a clip was refused.
    """
    import os
    import shutil

    import pipeline

    for name in ("cache", "out"):
        shutil.rmtree(name, ignore_errors=True)
    environment = os.environ | {"PYTHONPATH": str(Path(pipeline.__path__[0]).parent)}
    command = [sys.executable, "-m", f"stages.{stage}", str(table), "out"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    wait_for_orphans()
    refused = len(Path("out/rejected.csv").read_text().splitlines()) - 1 if not done.returncode else n_clips
    if refused:
        raise DataError(f"stage {stage}: {refused} of {n_clips} clips refused; {done.stderr.strip()[-300:]}")


def _alone(stage: Stage, folder: Path) -> Task:
    """What the stage does with a clip, for some clips one after the other."""
    from importlib import import_module

    import pipeline
    from pipeline.formats.clips import Clip
    from pipeline.settings.params import load_params

    module = import_module(f"pipeline.{stage}")
    params = load_params(stage, module.PARAMS, Path(pipeline.__path__[0]).parent / "params.yaml")
    path = folder / "first.mp4"
    clip = Clip(clip_id="first", path=path.name, label="x", sha256="0" * 64)

    def run() -> None:
        for _ in range(N_ALONE):
            module.clip_arrays(clip, path, params)

    return Task(run, N_ALONE)
