from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import write_clips
from pipeline.tune.__main__ import main
from pipeline.tune.choice import chosen_trial
from pipeline.tune.folds import residual_clusters
from pipeline.tune.tables import read_trials
from pipeline.tune.trials import Budget, tune
from tests.helpers.tune_search import BUDGET, clips_of, held_out_map, search, table
from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]


def test_a_score_is_the_mean_held_out_map_of_scikit_learn_over_the_folds(project: Path) -> None:
    trial = read_trials(search(project, BUDGET._replace(n_trials=1)))[0]
    usable = [i for i in range(60) if i % 3]
    rows = table()
    audio, visual, labels = rows.audio[usable], rows.visual[usable], rows.labels[usable]
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(usable, labels, usable)
    maps = [held_out_map(audio, visual, labels, fit, held) for fit, held in folds]
    assert trial.params == {"n_components": 3, "ridge": 0.1}
    assert trial.validation_map == pytest.approx(np.mean(maps), abs=1e-6)


def test_one_fold_holds_out_the_validation_rows_of_the_table(project: Path) -> None:
    rows = table()
    splits = ["validation" if i % 5 == 0 and split == "train" else split for i, split in enumerate(rows.splits)]
    replace(rows, splits=splits).save(project / "features.safetensors")
    trial = read_trials(search(project, Budget(1, 1, 0)))[0]
    fit, held = (np.flatnonzero(np.array(splits) == name) for name in ("train", "validation"))
    expected = held_out_map(rows.audio, rows.visual, rows.labels, fit, held)
    assert trial.validation_map == pytest.approx(expected, abs=1e-6)


def test_clusters_are_the_voices_behind_the_classes() -> None:
    rng = np.random.default_rng(0)
    labels, voices = np.repeat(np.arange(5), 20), np.tile([0, 1], 50)
    means, voice_means = 9 * rng.standard_normal((5, 12)), 4 * rng.standard_normal((2, 12))
    rows = means[labels] + voice_means[voices] + rng.standard_normal((100, 12))
    clusters = residual_clusters(rows.astype(np.float32), labels, 2, seed=0)
    assert adjusted_rand_score(voices, clusters) == 1


def test_folds_by_cluster_hold_one_out_after_the_other(project: Path) -> None:
    trial = read_trials(search(project, Budget(1, 2, 0, by_cluster=True)))[0]
    usable = np.array([i for i in range(60) if i % 3])
    rows = table()
    audio, visual, labels = rows.audio[usable], rows.visual[usable], rows.labels[usable]
    clusters = residual_clusters(audio, labels, 2, seed=0)
    folds = [(np.flatnonzero(clusters != c), np.flatnonzero(clusters == c)) for c in (0, 1)]
    maps = [held_out_map(audio, visual, labels, fit, held) for fit, held in folds]
    assert trial.validation_map == pytest.approx(np.mean(maps), abs=1e-6)


def test_a_class_within_one_cluster_is_refused() -> None:
    rows = np.vstack([np.zeros((10, 2)), np.random.default_rng(0).standard_normal((10, 2))]).astype(np.float32)
    with pytest.raises(DataError, match="class 0 lies in one of 2 clusters; expected it in two at least"):
        residual_clusters(rows, np.repeat([0, 1], 10), 2, seed=0)


def test_more_clusters_than_rows_are_refused() -> None:
    with pytest.raises(DataError, match="3 clips that are not test; expected at least 4, one a cluster"):
        residual_clusters(np.eye(3, dtype=np.float32), np.zeros(3, np.int64), 4, seed=0)


def test_one_fold_without_validation_rows_is_refused(project: Path) -> None:
    with pytest.raises(DataError, match="no clip is of the split 'validation'"):
        search(project, Budget(1, 1, 0))


def test_repeats_are_folds_of_other_draws(project: Path) -> None:
    once = read_trials(search(project, Budget(1, 2, 0)))[0]
    twice = read_trials(search(project, Budget(1, 2, 0, n_repeats=2), "twice"))[0]
    assert twice.fold_maps[:2] == once.fold_maps
    assert len(twice.fold_maps) == 4
    assert set(twice.fold_maps[2:]).isdisjoint(once.fold_maps)


def test_folds_keep_the_recordings_of_clips_csv_together(project: Path) -> None:
    write_clips(project / "clips.csv", clips_of(lambda i: f"source {i // 12}"))
    words = project / "features.safetensors", "c_cca", "baselines.c_cca", Budget(1, 2, 0)
    apart = tune(*words, project / "apart")[0]
    together = tune(*words, project / "together", clips=project / "clips.csv")[0]
    usable = np.array([i for i in range(60) if i % 3])
    rows = table()
    audio, visual, labels = rows.audio[usable], rows.visual[usable], rows.labels[usable]
    cut = StratifiedGroupKFold(2, shuffle=True, random_state=0).split(usable, labels, usable // 12)
    assert together.fold_maps == pytest.approx([held_out_map(audio, visual, labels, *fold) for fold in cut], abs=1e-6)
    assert together.fold_maps != apart.fold_maps


def list_models(project: Path, name: str) -> None:
    """Name one model in params.yaml."""
    params = read_yaml((project / "params.yaml").read_text())
    (project / "params.yaml").write_text(yaml.safe_dump(params | {"models": {name: f"baselines.{name}"}}))


def test_a_null_stays_one_in_the_table_and_in_the_flags(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kcca = read_yaml((Path(__file__).parents[2] / "params.yaml").read_text())["baselines"]["kcca"]
    sections = {"models": {"kcca": "baselines.kcca"}, "baselines": {"kcca": kcca | {"n_landmarks": 2}}}
    (project / "params.yaml").write_text(yaml.safe_dump(sections))
    monkeypatch.setattr("pipeline.models.kcca.SEARCH", {"n_landmarks": [None, 3]})
    monkeypatch.setenv("AVR_WORKERS", "1")
    monkeypatch.setattr("sys.argv", ["tune", "features.safetensors", "out", "kcca", "--trials", "6", "--folds", "3"])
    main()
    chosen = chosen_trial(read_trials(project / "out" / "kcca.csv"), 3)
    assert chosen.params == {"n_landmarks": None}
    assert capsys.readouterr().out.endswith(f" in trial {chosen.number}: -S baselines.kcca.n_landmarks=null\n")


def test_flags_of_a_model_that_is_not_listed_name_the_section_that_was_searched(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    list_models(project, "cca")
    params = read_yaml((project / "params.yaml").read_text())
    params["baselines"]["c_cca"] = {"n_components": 1, "ridge": 1000.0}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setattr("sys.argv", ["tune", "features.safetensors", "out", "c_cca", "--trials", "4"])
    main()
    best = chosen_trial(read_trials(project / "out/c_cca.csv"), 6)
    written = f"-S baselines.c_cca.n_components={best.params['n_components']} -S baselines.c_cca.ridge="
    assert best.number > 0
    assert written in capsys.readouterr().out


def test_workers_that_are_no_number_are_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_WORKERS", "two")
    with pytest.raises(ParamsError, match="AVR_WORKERS='two'; expected a whole number above 0"):
        search(project)


def test_classes_that_no_clip_has_change_nothing(project: Path) -> None:
    budget = BUDGET._replace(n_trials=1)
    expected = read_trials(search(project, budget))
    replace(table(), labels=table().labels + 4, classes=list("12345678")).save(project / "features.safetensors")
    assert read_trials(search(project, budget, "others")) == expected


def test_outside_a_project_the_command_says_what_it_needs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "params.yaml").unlink()
    monkeypatch.setattr("sys.argv", ["tune", "features.safetensors", "out"])
    with pytest.raises(SystemExit, match=r"tune: ParamsError: params\.yaml: .*; expected a params file in the current"):
        main()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["features.safetensors", "out", "c_cca", "ccx"], r"ParamsError: model 'ccx': no such model; expected one of"),
        (
            ["features.safetensors", "out", "c_cca", "cca"],
            r"ParamsError: params\.yaml: baselines\.cca: section is missing",
        ),
        (
            ["gone.safetensors", "out", "c_cca"],
            r"DataError: gone\.safetensors: No such file or directory.*; expected a table",
        ),
        (
            ["params.yaml", "out", "c_cca"],
            r"DataError: params\.yaml: .*; expected a table that the stage `features` wrote",
        ),
    ],
)
def test_what_no_trial_could_begin_with_is_refused_before_anything_is_said(
    words: list[str], message: str, project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(f"{text}\nmodels: {{c_cca: baselines.c_cca}}\n")
    monkeypatch.setenv("AVR_WORKERS", "2")
    monkeypatch.setattr("sys.argv", ["tune", *words])
    with pytest.raises(SystemExit, match=message):
        main()
    assert capfd.readouterr() == ("", "")
    assert not (project / "out").exists()


def test_test_rows_are_not_looked_at(project: Path) -> None:
    trials = read_trials(search(project))
    table(noise_in_test=True).save(project / "features.safetensors")
    assert read_trials(search(project, out="noise")) == trials


def test_the_command_says_that_trial_0_stays_or_what_takes_its_place(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    list_models(project, "c_cca")
    monkeypatch.setattr("sys.argv", ["tune", "features.safetensors", "out", "c_cca", "--trials", "4", "--folds", "3"])
    main()
    shown = capsys.readouterr().out
    trials = read_trials(project / "out/c_cca.csv")
    chosen = chosen_trial(trials, 3)
    stays = "trial 0, the values of params.yaml, stays: the best challenger, trial"
    moves = f"trial {chosen.number} takes the place of trial 0, the values of params.yaml: +"
    assert (stays if chosen.number == 0 else moves) in shown
    assert "c_cca: 4 trials, 11 fits; " in shown
    changed = "nothing to change\n" if chosen.number == 0 else "-S baselines.c_cca.n_components="
    assert f"c_cca: MAP {chosen.validation_map:.4f} in trial {chosen.number}: {changed}" in shown


def test_the_clips_beside_the_features_are_found(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clips(project / "clips.csv", clips_of(lambda i: str(i % 4)))
    list_models(project, "c_cca")
    monkeypatch.setattr("sys.argv", ["tune", "features.safetensors", "out", "c_cca", "--folds", "2"])
    with pytest.raises(SystemExit, match=r"class 'a' has 1 clips that .*; expected at least 2, one a fold"):
        main()


@pytest.mark.parametrize("budget", [Budget(0, 3, 0), Budget(3, 0, 0), Budget(3, 3, 0, n_repeats=0)])
def test_a_budget_that_buys_nothing_is_refused(project: Path, budget: Budget) -> None:
    with pytest.raises(ParamsError, match="expected at least 1 trial, 1 fold and 1 repeat"):
        search(project, budget)


@pytest.mark.parametrize("budget", [Budget(1, 1, 0, n_repeats=2), Budget(1, 2, 0, by_cluster=True, n_repeats=2)])
def test_what_is_no_draw_is_not_repeated(project: Path, budget: Budget) -> None:
    with pytest.raises(ParamsError, match="expected 1 repeat: validation rows and clusters are no draw"):
        search(project, budget)


def test_features_that_are_not_there_are_named(project: Path) -> None:
    (project / "features.safetensors").unlink()
    with pytest.raises(DataError, match=r"features\.safetensors: No such file or directory; expected a table"):
        search(project)


def tune_both(project: Path, n_folds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for a trial of a model that learns from labels, and of one of pairs, as the command line does."""
    section = {"n_components": 3, "ridge": 0.1}
    params = {
        "models": {"c_cca": "baselines.c_cca", "cca": "baselines.cca"},
        "baselines": {"c_cca": section, "cca": section},
    }
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setattr("sys.argv", ["tune", "features.safetensors", "out", "--trials", "1", "--folds", str(n_folds)])
    main()


def test_without_labels_a_score_is_the_mean_reciprocal_rank_and_models_of_labels_are_left_out(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = replace(table(), labels=np.full(60, -1), classes=[])
    rows.save(project / "features.safetensors")
    tune_both(project, 2, monkeypatch)
    assert "c_cca is left out: it learns from labels, and no train clip has one\n" in capsys.readouterr().out
    assert not (project / "out/c_cca.csv").exists()
    usable = np.array([i for i in range(60) if i % 3])
    cut = StratifiedGroupKFold(2, shuffle=True, random_state=0).split(usable, np.zeros(40), usable)
    own = np.arange(40)  # of classes of one clip, cluster CCA is CCA
    maps = [held_out_map(rows.audio[usable], rows.visual[usable], own, *fold) for fold in cut]
    assert read_trials(project / "out/cca.csv")[0].fold_maps == pytest.approx(maps, abs=1e-6)


def test_with_one_fold_labels_of_validation_clips_are_none_to_learn_from(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = np.array(["train", "validation", "test"])[np.arange(60) % 3]
    labels = np.where(splits == "validation", table().labels, -1)
    replace(table(), labels=labels, splits=splits.tolist()).save(project / "features.safetensors")
    tune_both(project, 1, monkeypatch)
    assert "c_cca is left out: it learns from labels, and no train clip has one\n" in capsys.readouterr().out
    assert len(read_trials(project / "out/cca.csv")) == 1


def test_a_single_cluster_is_refused(project: Path) -> None:
    with pytest.raises(ParamsError, match="expected at least 2 folds, a cluster each"):
        search(project, Budget(1, 1, 0, by_cluster=True))


def test_a_class_smaller_than_the_folds_is_refused(project: Path) -> None:
    with pytest.raises(DataError, match=r"class 'a' has 10 clips that .*; expected at least 11, one a fold"):
        search(project, Budget(1, 11, 0))
