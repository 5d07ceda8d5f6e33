"""What the page says of groups of test clips, of what there is one of, and of the parts of the spread."""

import copy
import csv
from pathlib import Path

import numpy as np
import pytest

from pipeline.report.page import warnings
from tests.helpers.report_run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Thirty clips of ten pictures."""
    return Run(tmp_path_factory.mktemp("run"), {"main": 1.0, "better": 0.5})


def test_the_groups_stand_beside_the_number_of_test_clips(run: Run) -> None:
    rows = {row[0]: row[1] for row in run.page.table("source")}
    assert rows["test"] == "30 clips, all of them queries each way"
    assert rows["groups of test clips"] == "10 that share a sound, a picture, a file or a source; effectively 10.0"
    assert rows["among these"] == "30 sounds, 10 pictures, no known sources"
    assert "test over 10 groups of the 30 queries (effectively 10.0), corrected" in run.page.text
    assert "No source of a test clip is known: where clips share a voice" in run.page.text


def test_the_spread_of_the_first_model_is_that_of_the_scores_of_its_pictures(run: Run) -> None:
    scores = np.array([float(row["average_precision"]) for row in run.rows("queries", "main")])
    pictures = scores.reshape(2, 10, 3).mean(axis=(0, 2))  # both directions, three clips a picture, one seed
    within = pictures.std(ddof=1) / 10**0.5
    assert run.metrics["models"]["main"]["average"]["map_within_std"] == pytest.approx(within, rel=1e-4)
    assert f"The MAP of one fit of main spreads by {within:.3f} within a seed" in run.page.text
    assert "there is one seed, which shows nothing of the luck of the training" in run.page.text


def test_the_table_of_groups_says_which_clips_share_a_picture(run: Run) -> None:
    with (run.folder / "plots" / "groups.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip_id"] for row in rows] == [f"clip {i}" for i in range(30)]
    assert [int(row["group"]) for row in rows] == [i // 3 for i in range(30)]
    assert [row["source"] for row in rows] == [""] * 30


def test_what_all_test_clips_have_the_same_one_of_is_a_warning_and_no_interval_covers_others(run: Run) -> None:
    metrics = copy.deepcopy(run.metrics)
    before = list(warnings(metrics, []))
    metrics["dataset"]["query_groups"] |= {"n_sources": 1}
    assert [found for found in warnings(metrics, []) if found not in before] == [
        (
            "one source: all test clips have the same",
            "No interval and no p-value here covers other sources, such as recordings or voices.",
        )
    ]


def test_clips_of_one_group_have_no_spread_and_the_page_says_so(tmp_path: Path) -> None:
    one = Run(tmp_path, {"main": 1.0, "better": 0.5}, classes=["cat", "dog"], n_each_picture=20)
    assert one.metrics["dataset"]["query_groups"]["n_groups"] == 1
    assert "map_within_std" not in one.metrics["models"]["main"]["average"]
    assert {row["p"] for row in one.table("significance")} == {"1.0"}
    assert "nothing shows how far the luck of the test clips moves a MAP, and no interval covers it" in one.page.text
    assert "All queries are one group, so that no test can tell any two models apart." in one.page.text
    assert "Warning: one picture: all test clips have the same." in one.page.text
