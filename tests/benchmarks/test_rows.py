import importlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.bench.groups import GROUPS, rows_of
from benchmarks.bench.ways import OURS, BenchRow
from tests.helpers.pages import text_of
from tests.helpers.project import ROOT

ROWS = list(rows_of(list(GROUPS), is_quick=False))
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_every_name_is_of_one_row() -> None:
    assert [name for name, n_rows in Counter(row.name for row in ROWS).items() if n_rows > 1] == []
    assert {row.group for row in ROWS} == GROUPS.keys()


@each_row
def test_a_row_has_ours_first_a_limit_and_functions_that_are_there(row: BenchRow) -> None:
    roles = [way.role for way in row.ways]
    assert (row.ways[0].name, roles[0], roles.count("ours"), roles.count("limit")) == (OURS, "ours", 1, 1)
    module = importlib.import_module(row.module)
    assert [way.prepare for way in row.ways if not callable(getattr(module, way.prepare, None))] == []
    assert len({way.name for way in row.ways}) == len(row.ways)


@each_row
def test_an_aim_is_against_the_limit_and_not_against_a_peer(row: BenchRow) -> None:
    assert row.aim is None or row.aim.way == next(way.name for way in row.ways if way.role == "limit")


def test_every_group_is_named_where_the_command_is_described() -> None:
    page = text_of("benchmarks/README.md")
    assert [group for group in GROUPS if f"`{group}`" not in page] == []


def test_a_group_that_is_not_there_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench", "--rows", "map,maps"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "'maps'; expected some of decode,networks," in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_row_that_has_a_small_size_runs(tmp_path: Path) -> None:
    script = "import json, sys; from benchmarks.bench.__main__ import GROUPS, measure, rows_of; print(json.dumps(\
[row.model_dump() for row in measure(list(rows_of(GROUPS, True)), None).measurement.rows]))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["group"] for row in rows} == {"decode", "map", "cca", "training", "growth"}
    for row in rows:
        assert all(one["ratio"] or one["absent"] for one in row["beside"])
