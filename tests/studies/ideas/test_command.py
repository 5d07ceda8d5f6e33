"""The table of ideas against the curves of the folds, by numpy and scipy, and what the command may not look at."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

from studies.ideas import __main__ as command
from studies.ideas.judging import judged, page
from tests.helpers.compared import features
from tests.helpers.idea_networks import SMALL
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

WITHOUT = [[0.2, 0.5, 0.4], [0.3, 0.4, 0.45], [0.1, 0.6, 0.5]]  # best after epoch 1
AHEAD = [[0.1, 0.3, 0.6], [0.3, 0.4, 0.51], [0.1, 0.6, 0.67]]  # best after epoch 2
WORDS = ["tiny=features.safetensors", "--models", "dual_subspace", "label_probabilities", "--ideas", "mixup", "fusion"]


def test_a_row_is_what_the_curves_say_at_the_best_epochs_of_their_means() -> None:
    row = judged("set", "dscmr", "proxy", WITHOUT, AHEAD)
    differences = np.array([0.6, 0.51, 0.67]) - np.array([0.5, 0.4, 0.6])
    assert (row.without, row.with_it) == pytest.approx((0.5, np.mean([0.6, 0.51, 0.67])))
    assert row.ahead == pytest.approx((differences.mean(), stats.sem(differences)))
    assert row.verdict == "ahead"
    assert judged("set", "dscmr", "proxy", AHEAD, WITHOUT).verdict == "behind"
    assert list(page([row]))[2] == "| set | `dscmr` | proxy | 0.500 | 0.593 | +9.33 ± 1.20 | ahead |"


def test_a_difference_of_less_than_its_standard_error_is_not_clear() -> None:
    row = judged("set", "dscmr", "proxy", [[0.5], [0.5], [0.5]], [[0.6], [0.4], [0.51]])
    assert row.ahead.difference < stats.sem([0.1, -0.1, 0.01])
    assert row.verdict == "no"


def test_one_fold_and_a_fit_that_diverged_say_nothing() -> None:
    assert judged("set", "dscmr", "proxy", [[0.1]], [[0.9]]).verdict == "no"
    diverged = judged("set", "dscmr", "proxy", WITHOUT, [[math.nan], *AHEAD[1:]])
    assert math.isnan(diverged.with_it)
    assert diverged.verdict == "no"


def test_clusters_of_a_set_that_is_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ideas", *WORDS, "--by-cluster", "other=2"])
    with pytest.raises(SystemExit, match="ParamsError: --by-cluster other: no such set; expected some of tiny"):
        command.main()


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The table that the command prints in a folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AVR_WORKERS", "1")
    monkeypatch.setattr(sys, "argv", ["ideas", *WORDS, "--by-cluster", "tiny=2", "--work", "work"])
    command.main()
    return capsys.readouterr().out.partition("| set |")[2]


def make_project(folder: Path, noise_in_test: bool) -> Path:
    """A folder with features and the parameters of small models of two epochs."""
    folder.mkdir()
    params = read_yaml((ROOT / "params.yaml").read_text())
    sections = {"dual_subspace": params["model"], **params["baselines"]}
    for model, small in SMALL.items():
        sections[model] |= small | {"epochs": 2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    features(noise_in_test).save(folder / "features.safetensors")
    return folder


def test_the_command_goes_on_with_what_is_there_and_prints_what_the_curves_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "project", noise_in_test=False)
    first = run(project, monkeypatch, capsys)
    files = {path: path.stat().st_mtime_ns for path in (project / "work/curves").rglob("*.json")}
    assert len(files) == 5 * 2  # two folds of each model without an idea, and of the three with one
    lost = next(iter(files))
    lost.unlink()
    assert run(project, monkeypatch, capsys) == first
    again = {path: path.stat().st_mtime_ns for path in (project / "work/curves").rglob("*.json")}
    assert {path for path in files if again[path] != files[path]} == {lost}
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in first.splitlines() if "`" in line]
    assert [row[1:3] for row in rows] == [
        ["dual_subspace", "mixup"],
        ["dual_subspace", "fusion"],
        ["label_probabilities", "mixup"],
    ]
    for _, model, idea, *maps, _, _ in rows:
        for of, shown in zip(("none", idea), maps, strict=True):
            paths = (project / "work/curves/tiny" / model / of).glob("*.json")
            curves = np.array([json.loads(path.read_text()) for path in paths])
            assert curves.shape == (2, 2)
            assert float(shown) == pytest.approx(curves.mean(axis=0).max(), abs=6e-4)


def test_test_rows_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = [
        run(make_project(tmp_path / str(noise_in_test), noise_in_test), monkeypatch, capsys)
        for noise_in_test in (False, True)
    ]
    assert tables[0] == tables[1]
