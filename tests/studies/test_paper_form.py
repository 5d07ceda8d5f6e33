"""How the paper's form is chosen: by held-out rows alone, against what is expected, by a paired standard error."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ttest_rel

from pipeline.formats.feature_table import FeatureTable
from pipeline.tune.choice import Trial
from studies import paper_form
from studies.paper_form import EXPECTED, SETTINGS, Setting, lines, on_folds
from tests.helpers.project import ROOT

MAPS = np.array([0.70, 0.80, 0.75, 0.85, 0.72, 0.78])
OTHER = Setting("cca", 0.5, 10.0)


def table(seed: int, n: int = 60) -> FeatureTable:
    """Classes that shift both modalities; the rows of test are noise of another seed."""
    rng, labels = np.random.default_rng(0), np.arange(n) % 3
    features = (2 * np.eye(3, 10)[labels] + rng.normal(size=(n, 10))).astype(np.float32)
    splits = np.array(["train", "train", "validation", "test"])[np.arange(n) // 3 % 4]
    features[splits == "test"] = np.random.default_rng(seed).normal(size=(int((splits == "test").sum()), 10))
    return FeatureTable(
        clip_ids=[f"clip {i}" for i in range(n)],
        splits=splits.tolist(),
        labels=labels,
        classes=["a", "b", "c"],
        audio=features[:, :4],
        visual=features[:, 4:],
        provenance={},
    )


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folds of three epochs, with the project's params.yaml."""
    monkeypatch.setattr(paper_form, "EPOCHS", 3)
    monkeypatch.setattr(paper_form, "N_FOLDS", 2)
    monkeypatch.chdir(ROOT)


def trial(setting: Setting, n_epochs: int, maps: NDArray[np.float64]) -> Trial:
    """A setting that scored these on its folds."""
    params = {"epochs": n_epochs}
    return Trial(SETTINGS.index(setting), float(maps.mean()), float(maps.std(ddof=1)), maps.tolist(), params)


def test_a_setting_is_scored_where_the_mean_of_the_curves_is_highest() -> None:
    scored = on_folds(table(0), EXPECTED, seeds=[0])
    assert len(scored.fold_maps) == 2
    assert 1 <= scored.params["epochs"] <= 3
    assert scored.validation_map > 0.5  # chance is about 0.4


def test_the_rows_of_test_play_no_part_in_the_choice() -> None:
    scored = [on_folds(table(seed), EXPECTED, seeds=[0]) for seed in (0, 1)]
    assert scored[0].fold_maps == scored[1].fold_maps


def test_every_setting_is_tried_once_and_the_expected_one_is_what_the_others_must_beat() -> None:
    assert SETTINGS[0] == EXPECTED
    assert len(set(SETTINGS)) == len(SETTINGS) == 2 * 3 * 3


@pytest.mark.parametrize(
    ("gain", "wins"),
    [(np.full(6, 0.01), True), (np.array([0.05, -0.05, 0.04, -0.04, 0.01, 0.0]), False), (np.full(6, -0.1), False)],
)
def test_another_setting_wins_only_by_more_than_a_paired_standard_error(
    gain: NDArray[np.float64], wins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper_form, "N_FOLDS", len(gain))
    assert (ttest_rel(MAPS + gain, MAPS).statistic > 1) == wins
    *_, said = lines([trial(EXPECTED, 9, MAPS), trial(OTHER, 4, MAPS + gain)])
    assert said.strip().startswith("chosen: cca, " if wins else "chosen: likelihood, ")


def test_the_table_says_by_how_much_each_setting_is_behind_and_which_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    gain = np.array([0.02, 0.04, 0.02, 0.04, 0.02, 0.04])
    monkeypatch.setattr(paper_form, "N_FOLDS", len(gain))
    table_lines = list(lines([trial(EXPECTED, 9, MAPS), trial(OTHER, 4, MAPS + gain)]))
    difference = ttest_rel(MAPS, MAPS + gain)
    error = 100 * abs((-gain).mean() / difference.statistic)
    assert table_lines[2] == f"| likelihood | 0.2 | 1 | 9 | {MAPS.mean():.3f} | 0.0 ± 0.0 |"
    assert table_lines[3] == f"| cca | 0.5 | 10 | 4 | {(MAPS + gain).mean():.3f} | -3.0 ± {error:.1f} |"
    assert table_lines[-1].strip() == "chosen: cca, dropout 0.5, ridge 10, 4 epochs"


def test_the_test_rows_are_measured_by_both_presets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table(0).save(tmp_path / "features.safetensors")
    monkeypatch.setattr("sys.argv", ["paper_form", str(tmp_path / "features.safetensors"), "--test", "--seeds", "0"])
    paper_form.main()
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| as it was", "| as it is"]
    assert all(0 < float(row.split(" | ")[1]) <= 1 for row in rows)
