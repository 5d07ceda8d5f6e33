"""The study of few groups: its kinds of sound against made voices, its sets by their rows, its means by scipy."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

from pipeline.formats.clips import read_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.groups import row_hashes
from pipeline.tune import choice
from pipeline.tune.folds import Integers, folds, n_groups
from pipeline.tune.tables import read_trials
from studies import few_groups
from studies.comparison import sets
from studies.comparison.sets import FeatureSet
from studies.tuning import Gain, SearchRow
from tests.helpers.project import ROOT

N_VOICES, N_CLASSES, N_SOUNDS = 4, 3, 12  # sounds of a class, three of each voice


def test_kinds_of_sound_are_the_voices_where_voices_differ_most() -> None:
    made, voices = table()
    kinds = few_groups.kinds_of_sound(made.audio, made.labels)
    assert len({(kind, voice) for kind, voice in zip(kinds, voices, strict=True)}) == N_VOICES == kinds.max() + 1


def test_every_kind_has_equally_many_rows_of_every_class_and_equal_sounds_are_used_once() -> None:
    made, _ = table()
    made.audio[13] = made.audio[1]  # both of class 1
    kinds = few_groups.kinds_of_sound(made.audio, made.labels)
    used = kinds != few_groups.UNUSED
    assert kinds[13] == few_groups.UNUSED
    _, counts = np.unique(np.stack([kinds, made.labels])[:, used], axis=1, return_counts=True)
    assert counts.tolist() == [N_SOUNDS // (N_VOICES - 1), 3, 4] * (N_VOICES - 1)  # 11 sounds leave 3 to each of three


def test_a_dealt_picture_is_of_the_class_and_of_one_kind() -> None:
    made, voices = table()
    visual = made.visual.copy()
    visual[N_CLASSES * 6 :] = visual[: N_CLASSES * 6]  # every picture comes twice
    dealt = few_groups.dealt_pictures(visual, made.labels, voices)
    assert (made.labels[dealt] == made.labels).all()
    kinds_of: dict[str, set[int]] = {}
    for picture, voice in zip(row_hashes(visual[dealt]), voices.tolist(), strict=True):
        kinds_of.setdefault(picture, set()).add(voice)
    assert {len(kinds) for kinds in kinds_of.values()} == {1}


def test_sets_of_any_number_of_groups_have_as_many_rows_and_the_same_test_rows_of_other_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "prepare", prepared)
    made = list(few_groups.grouped_sets(FeatureSet("tiny", Path("features")), [2, 3, 9], 2, tmp_path))
    assert [(of.grouping, of.n_groups) for of in made] == [(0, 2), (0, 3), (1, 2), (1, 3)]
    tables = [FeatureTable.load(of.features) for of in made]
    assert len({len(of.labels) for of in tables}) == 1
    for of, found in zip(made, tables, strict=True):
        clips = read_clips(sets.clips_file(of.features))
        kinds = {split: {clip.source_id for clip in clips if clip.split == split} for split in ("train", "test")}
        assert not kinds["train"] & kinds["test"]
        assert n_groups(found, clips) == of.n_groups
        source_of = {clip.clip_id: clip.source_id for clip in clips}
        sources = np.array([source_of[name] for name in found.clip_ids])
        held = [set(sources[rows]) for _, rows in folds(found, of.n_groups, seed=0, clips=clips)]
        assert [len(kind) for kind in held] == [1] * of.n_groups
    tests = [{name for name, split in zip(of.clip_ids, of.splits, strict=True) if split == "test"} for of in tables]
    assert tests[0] == tests[1] != tests[2] == tests[3]


def test_wide_features_keep_the_distances_that_their_leading_components_have() -> None:
    rng = np.random.default_rng(0)
    wide = (rng.standard_normal((40, 5)) @ rng.standard_normal((5, 300))).astype(np.float32)
    wide = np.vstack([wide] * 4)
    narrow = few_groups.narrowed(wide)
    assert narrow.shape == (160, few_groups.WIDEST)
    assert np.linalg.norm(narrow[0] - narrow[1]) == pytest.approx(float(np.linalg.norm(wide[0] - wide[1])), rel=1e-4)
    assert few_groups.narrowed(narrow) is narrow


def test_the_error_of_the_mean_gain_is_over_groupings_and_not_over_searches() -> None:
    gains = np.random.default_rng(0).normal(0, 0.1, (5, 3))  # groupings, searches
    outcomes = [outcome(grouping, value) for grouping, of in enumerate(gains) for value in of]
    mean, error = few_groups.mean_over_groupings(outcomes)
    assert mean == pytest.approx(gains.mean())
    assert error == pytest.approx(stats.sem(gains.mean(axis=1)))
    assert math.isnan(few_groups.mean_over_groupings(outcomes[:3])[1])


def test_a_row_counts_the_searches_that_ended_below_and_above_by_more_than_their_error() -> None:
    lines = list(few_groups.page([outcome(0, -0.3), outcome(1, -0.05), outcome(2, 0.2), outcome(3, 0.0, trial=0)]))
    assert lines[2:] == [
        f"| tiny | {model} | 2 | 4 | 3 | +1.0 | -3.75 ± 10.28 | -30.0 | 1 | 1 |" for model in ("all", "`c_cca`")
    ]


def test_the_command_searches_two_groups_which_the_rule_would_not_and_leaves_the_rule_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_WORKERS", "1")
    monkeypatch.setattr(sets, "prepare", prepared)
    words = "work tiny=features --models c_cca --groups 2 --groupings 1 --searches 0 1 --trials 3 --seeds 0"
    monkeypatch.setattr(sys, "argv", ["few_groups", *words.split()])
    few_groups.main()
    [row] = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "`c_cca` | 2 | 2 |" in line]
    files = list((tmp_path / "work").rglob("c_cca.csv"))
    trials = [read_trials(file) for file in files]
    assert [len(of) for of in trials] == [3, 3]
    assert sum(choice.chosen_trial(of, 2).number != 0 for of in trials) == int(row[4])
    assert choice.FEWEST_GROUPS == 5


def test_an_unknown_model_ends_the_command_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["few_groups", "work", "tiny=features", "--models", "nosuch"])
    with pytest.raises(SystemExit, match=r"^few_groups: ParamsError: --models nosuch: no such model; expected some of"):
        few_groups.main()


PARAMS = {"models": {"c_cca": "baselines.c_cca"}, "baselines": {"c_cca": {"n_components": 2, "ridge": 0.1}}}


def outcome(grouping: int, gain: float, trial: int = 1) -> few_groups.GroupedRow:
    """A search of which the gain alone matters; its standard error is 0.1."""
    row = SearchRow("a file", "c_cca", 0, trial, 0.01, 0.5, 0.5 + gain, Gain(gain, math.nan, 0.1))
    return few_groups.GroupedSet("tiny", 2, grouping, Path()), row


def table() -> tuple[FeatureTable, Integers]:
    """Sounds that are a class, a voice that shifts all classes alike, and a little noise; and the voice of each."""
    rng, n = np.random.default_rng(0), N_CLASSES * N_SOUNDS
    labels, voices = np.arange(n) % N_CLASSES, np.arange(n) // N_CLASSES % N_VOICES
    centres, shifts = rng.standard_normal((N_CLASSES, 14)), 5 * rng.standard_normal((N_VOICES, 8))
    rows = (2 * centres[labels] + rng.standard_normal((n, 14))).astype(np.float32)
    made = FeatureTable(
        clip_ids=[f"clip{i}" for i in range(n)],
        splits=["train"] * n,
        labels=labels,
        classes=list("abc"),
        audio=(rows[:, :8] + shifts[voices]).astype(np.float32),
        visual=rows[:, 8:],
        provenance={},
    )
    return made, voices


def prepared(source: FeatureSet, folder: Path) -> Path:
    """Stands for published features."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source.name}.safetensors"
    table()[0].save(path)
    return path
