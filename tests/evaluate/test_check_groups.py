"""The paired test of `avr check` where test clips share pictures: whole groups change their sign."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import permutation_test

from pipeline.evaluate.writing import write_csv
from tests.helpers.checked_runs import N, check, rows, scores, write_run

PICTURES = np.arange(N) // 3


def write(folder: Path, level: float, seed: int, groups: Sequence[int] | None) -> Path:
    """A run that says which clips are in one group, or does not."""
    metrics = write_run(folder, {"main": level}, seed=seed)
    if groups is not None:
        named = [{"clip_id": f"clip {i}", "group": group} for i, group in enumerate(groups)]
        write_csv(folder / "plots" / "groups.csv", named[::-1])
    return metrics


def p_value(groups: np.ndarray) -> float:
    """By scipy, from the sums of the groups."""
    differences = (scores(0.70, 1) - scores(0.66, 2)).mean(axis=0)
    sums = np.array([differences[groups == group].sum() for group in np.unique(groups)])
    options = {"permutation_type": "samples", "n_resamples": 20_000, "rng": np.random.default_rng(0)}
    return float(permutation_test((sums,), np.mean, **options).pvalue)


@pytest.mark.parametrize("who", ["both", "before", "after"])
def test_the_groups_are_those_of_the_run_that_has_them(tmp_path: Path, who: str) -> None:
    groups = PICTURES.tolist()
    after = write(tmp_path / "a", 0.70, 1, groups if who != "before" else None)
    before = write(tmp_path / "b", 0.66, 2, groups if who != "after" else None)
    result = check(after, "--against", before)
    assert float(rows(result)["main.average.map"][3]) == pytest.approx(p_value(PICTURES), abs=0.02)
    assert "over 30 test clips in 10 groups that share a sound, picture or source (effectively 10)," in result.stdout


def test_groups_of_two_runs_are_joined(tmp_path: Path) -> None:
    after = write(tmp_path / "a", 0.70, 1, PICTURES.tolist())
    before = write(tmp_path / "b", 0.66, 2, [0, 1, 2, 0, *range(4, N)])  # clips 0 and 3 share something there
    joined = np.where(PICTURES == 1, 0, PICTURES)
    result = check(after, "--against", before)
    assert float(rows(result)["main.average.map"][3]) == pytest.approx(p_value(joined), abs=0.02)
    assert "in 9 groups that share a sound, picture or source (effectively 8.333)," in result.stdout  # 900 / 108


def test_one_group_is_said_to_be_no_evidence(tmp_path: Path) -> None:
    after, before = (write(tmp_path / name, level, 1, [0] * N) for name, level in (("a", 0.7), ("b", 0.6)))
    result = check(after, "--against", before)
    assert rows(result)["main.average.map"][3] == "1.0"
    said = "30 test clips that all share a sound, picture or source, so that no test can tell the runs apart, corrected"
    assert said in result.stdout


def test_a_table_of_groups_that_is_none_is_passed_over_with_a_word(tmp_path: Path) -> None:
    after, before = (write(tmp_path / name, level, 1, None) for name, level in (("a", 0.7), ("b", 0.6)))
    (tmp_path / "a" / "plots" / "groups.csv").write_text("clip_id,group\nclip 0,many\n")
    said = "30 test clips one by one, as neither run says which share a sound, picture or source, corrected"
    assert said in check(after, "--against", before).stdout
