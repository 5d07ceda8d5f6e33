"""The study of tuning: its standard errors against closed forms, its table against the searches it is made of."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

from pipeline.evaluate.independence import Groups
from pipeline.formats.clips import Clip, write_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.tune.choice import chosen_trial
from pipeline.tune.tables import read_trials
from studies import tuning
from studies.comparison.sets import FeatureSet
from tests.helpers.project import ROOT
from tests.helpers.tune_search import table
from tests.helpers.yaml_text import read_yaml


def test_the_error_over_rows_of_their_own_is_that_of_the_mean_and_over_seeds_too() -> None:
    differences = np.random.default_rng(0).normal(0.02, 0.1, (3, 50))
    found = tuning.gain(differences, Groups.each_its_own(50))
    assert found.difference == pytest.approx(differences.mean())
    assert found.over_groups == pytest.approx(stats.sem(differences.mean(axis=0)))
    assert found.over_seeds == pytest.approx(stats.sem(differences.mean(axis=1)))
    assert found.standard_error == pytest.approx(math.hypot(found.over_groups, found.over_seeds))


def test_rows_that_come_four_times_say_no_more_than_once() -> None:
    once = np.random.default_rng(0).normal(0.02, 0.1, (1, 30))
    four_times = np.repeat(np.arange(30), 4)
    groups = Groups.of({"sources": [str(number) for number in four_times]})
    assert tuning.gain(once[:, four_times], groups).over_groups == pytest.approx(stats.sem(once[0]))
    assert tuning.gain(once, Groups.each_its_own(30)).standard_error == pytest.approx(
        stats.sem(once[0])
    )  # one seed has no spread


def test_a_gain_over_clips_of_one_recording_is_neither_above_nor_below() -> None:
    one_group = Groups.of({"sources": ["a recording"] * 4})
    row = tuning.SearchRow("set", "cca", 0, 1, 0.1, 0.5, 0.9, tuning.gain(np.full((1, 4), 0.4), one_group))
    assert "below the shipped one by more than its standard error in 0, above in 0" in list(tuning.page([row]))[-1]


def test_the_command_goes_on_with_what_is_there_and_prints_a_row_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["models"] = {"dual_subspace": "model", "c_cca": "baselines.c_cca"}
    params["model"] |= {
        "epochs": 2,
        "hidden_width": 8,
        "explicit_width": 4,
        "implicit_width": 4,
        "fusion_components": 4,
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_WORKERS", "1")
    monkeypatch.setattr(tuning.sets, "prepare", prepared)
    words = ["work", "tiny=features", "--searches", "0", "3", "--trials", "2", "--folds", "2", "--seeds", "0"]
    monkeypatch.setattr(sys, "argv", ["tuning", *words])
    tuning.main()
    first = capsys.readouterr().out.split("| set |")[1]
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "work/scores").rglob("*.npz")}
    tuning.main()
    assert capsys.readouterr().out.split("| set |")[1] == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work/scores").rglob("*.npz")} == files
    rows = [line.split(" | ") for line in first.splitlines() if "`" in line]
    names = sorted(params["models"])
    assert [(row[1], row[2]) for row in rows] == [(f"`{name}`", seed) for seed in "03" for name in names]
    for _, name, seed, number, *_ in rows:
        [path] = (tmp_path / "work" / f"search-{seed}").rglob(f"{name.strip('`')}.csv")
        assert chosen_trial(read_trials(path), 2).number == int(number)
    assert "Of 4 searches " in first


def test_an_unknown_model_ends_it_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["tuning", "work", "tiny=features", "--models", "nosuch"])
    with pytest.raises(SystemExit, match=r"^tuning: ParamsError: --models nosuch: no such model; expected some of"):
        tuning.main()


def prepared(source: FeatureSet, folder: Path) -> Path:
    """Stands for published features: a table without a word on where it is from."""
    folder.mkdir(parents=True, exist_ok=True)
    made: FeatureTable = table()
    splits = ["validation" if i % 5 == 1 and split == "train" else split for i, split in enumerate(made.splits)]
    path = folder / f"{source.name}.safetensors"
    FeatureTable(**{**made.__dict__, "splits": splits}).save(path)
    recordings = [Clip(clip_id=name, path="", label="a", source_id=str(int(name) // 6)) for name in made.clip_ids]
    write_clips(tuning.sets.clips_file(path), recordings)
    return path
