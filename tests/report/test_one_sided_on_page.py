"""The table of a run that kept clips of one side, and its absence where there are none."""

import contextlib
import json
from pathlib import Path

import pytest

from stages import report
from tests.helpers.html_page import Page
from tests.helpers.report_run import Run

WAYS = {"audio_to_visual": "sound to video", "visual_to_audio": "video to sound"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"), {"main": 1.0, "better": 0.5})


def page_with(run: Run, one_sided: object) -> Page:
    path = run.folder / "metrics.json"
    path.write_text(json.dumps({**run.metrics, "one_sided": one_sided}))
    with contextlib.chdir(run.folder):
        report.main(*map(Path, run.words))
    path.write_text(json.dumps(run.metrics))
    return Page((run.folder / "report" / "index.html").read_text(encoding="utf-8"))


def test_every_model_stands_there_with_both_directions_beside_chance(run: Run) -> None:
    counts = {"n_queries": 31, "n_one_sided_queries": 1, "n_gallery": 33}
    numbers = {"map": 0.25, "one_sided_map": 0.125}
    found = {
        "n_audio": 2,
        "n_visual": 3,
        "directions": {way: {**counts, "n_one_sided_queries": k} for k, way in enumerate(WAYS)},
        "models": {
            "main": {way: {name: value + k for name, value in numbers.items()} for k, way in enumerate(WAYS)},
            "better": {way: {name: value + 2 for name, value in numbers.items()} for way in WAYS},
        },
        "chance": {way: dict(map=0.5, one_sided_map=0.375) for way in WAYS},
    }
    page = page_with(run, found)
    heads, *rows, chance = page.table("with one side")
    assert heads[1:] == [
        "MAP, sound to video: 31 queries, 33 searched",
        "MAP, video to sound: 31 queries, 33 searched",
        "1 of them of one side",
    ]
    assert sorted(rows) == [["better", "2.250", "2.250", "2.125"], ["main", "0.250", "1.250", "1.125"]]
    assert chance == ["chance", "0.500", "0.500", "0.375"]
    assert "2 test clips have sound alone and 3 pictures alone" in page.text


def test_a_run_of_pairs_alone_has_no_such_table(run: Run) -> None:
    assert "with one side" not in run.page.text
