"""Writers at once and writers that are killed, as real processes: every batch is there once and whole."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.search.index import Index
from tests.helpers.project import ROOT
from tests.helpers.search_run import random_rows, write_index

OTHERS = [row._replace(root="/others") for row in random_rows(7, seed=1)]

pytestmark = pytest.mark.slow
ROWS_PER_BATCH = 5
WRITER = """
import sys
from pipeline.search.writing import add_rows, optimise
from tests.helpers.search_run import facts_for, random_rows

folder, first, n_batches = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rows = [row._replace(clip_id=f"{number:05}", sha256=f"{number:064x}", path=f"{number}.mp4")
        for number, row in enumerate(random_rows(2000))]
print("ready", flush=True)
sys.stdin.readline()
for batch in range(first, first + n_batches):
    add_rows(folder, facts_for(), rows[5 * batch : 5 * batch + 5])
    if batch % 10 == 9:
        optimise(folder)
    print(batch, flush=True)
"""
BUILDER = """
import sys
from pipeline.search.rows import to_table
from pipeline.search.store import overwrite, writing
from tests.helpers.search_run import facts_for, random_rows

folder, sizes = sys.argv[1], (300, 500)
tables = [to_table(random_rows(size), facts_for()) for size in sizes]
print("ready", flush=True)
sys.stdin.readline()
while True:
    for table in tables:
        with writing(folder):
            overwrite(folder, table)
        print(len(table), flush=True)
"""


@contextmanager
def started(code: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of its own that waits for a line before it writes."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def killed_after(process: "subprocess.Popen[str]", seconds: float) -> list[str]:
    """What a process said before it was killed."""
    go(process)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    return process.stdout.read().split()


def batches_of(folder: Path) -> "Counter[int]":
    """How many rows of each batch the index has."""
    names = Index.open(folder).snapshot.texts["clip_id"].to_pylist()
    return Counter(int(name) // ROWS_PER_BATCH for name in names if name.isdecimal())


def test_two_writers_at_once_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    folder = write_index(tmp_path, OTHERS)
    with started(WRITER, folder, "0", "30") as one, started(WRITER, folder, "20", "30") as other:  # ten of both
        for process in (one, other):
            go(process)
        for process in (one, other):
            assert process.stdout is not None
            said = process.stdout.read().split()
            assert process.wait() == 0
            assert len(said) == 30
    assert batches_of(tmp_path) == Counter({batch: ROWS_PER_BATCH for batch in range(50)})
    assert len(Index.open(folder)) == 7 + 50 * ROWS_PER_BATCH


def test_a_killed_writer_has_written_whole_batches_and_the_next_one_goes_on(tmp_path: Path) -> None:
    folder, first = write_index(tmp_path, OTHERS), 0
    for seed in range(3):
        with started(WRITER, folder, str(first), "300") as process:
            said = killed_after(process, 0.2 + random.Random(seed).random())
        batches = batches_of(tmp_path)
        assert set(batches.values()) <= {ROWS_PER_BATCH}
        assert {int(batch) for batch in said} <= set(batches)  # what was said to be done is there
        assert len(batches) <= first + len(said) + 1
        first = max([first - 1, *batches]) + 1
    with started(WRITER, folder, "0", str(first + 2)) as process:
        go(process)
        assert process.wait() == 0
    assert batches_of(tmp_path) == Counter({batch: ROWS_PER_BATCH for batch in range(first + 2)})


@pytest.mark.parametrize("is_first", [True, False], ids=["the first build", "a later build"])
def test_a_killed_build_leaves_an_index_that_is_whole(tmp_path: Path, is_first: bool) -> None:
    if not is_first:
        write_index(tmp_path, OTHERS)
    is_there = not is_first
    for seed in range(3):
        with started(BUILDER, str(tmp_path)) as process:
            said = killed_after(process, 0.02 if not seed else 0.1 + random.Random(seed).random())
        is_there = is_there or bool(said)
        if is_there or any(tmp_path.glob("clips.lance/_versions/*.manifest")):
            assert len(Index.open(tmp_path)) in (7, 300, 500)
    write_index(tmp_path, random_rows(9))
    assert len(Index.open(tmp_path)) == 9
