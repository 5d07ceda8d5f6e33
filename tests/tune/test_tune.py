from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, average_precision_score
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import StratifiedGroupKFold

from pipeline import linalg
from pipeline.errors import DataError, ParamsError
from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts.search_space import SearchSpace
from pipeline.models import dscmr
from pipeline.tune.__main__ import main
from pipeline.tune.folds import residual_clusters
from pipeline.tune.trials import Budget, Trial, best_trial, read_trials, tune

ROOT = Path(__file__).parents[2]
Rows = NDArray[Any]
BUDGET = Budget(n_trials=4, n_folds=3, seed=0)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_WORKERS", "1")
    section = {"n_components": 3, "ridge": 0.1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"baselines": {"c_cca": section}}))
    table().save(tmp_path / "features.safetensors")
    return tmp_path


def table(noise_in_test: bool = False) -> FeatureTable:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 4
    centres = 1.5 * rng.standard_normal((4, 14))
    features = (centres[labels] + rng.standard_normal((60, 14))).astype(np.float32)
    splits = ["test" if i % 3 == 0 else "train" for i in range(60)]
    if noise_in_test:
        features[::3] = rng.standard_normal((20, 14)).astype(np.float32)
    return FeatureTable(
        clip_ids=[str(i) for i in range(60)],
        splits=splits,
        labels=labels,
        classes=list("abcd"),
        audio=features[:, :8],
        visual=features[:, 8:],
        provenance={},
    )


def search(project: Path, budget: Budget = BUDGET, out: str = "out") -> Path:
    tune(project / "features.safetensors", "c_cca", "baselines.c_cca", budget, project / out)
    return project / out / "c_cca.csv"


def test_a_score_is_the_mean_held_out_map_of_scikit_learn_over_the_folds(project: Path) -> None:
    trial = read_trials(search(project, BUDGET._replace(n_trials=1)))[0]
    usable = [i for i in range(60) if i % 3]
    rows = table()
    audio, visual, labels = rows.audio[usable], rows.visual[usable], rows.labels[usable]
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(usable, labels, usable)
    maps = [held_out_map(audio, visual, labels, fit, held) for fit, held in folds]
    assert trial.params == {"n_components": 3, "ridge": 0.1}
    assert trial.validation_map == pytest.approx(np.mean(maps), abs=1e-6)


def held_out_map(audio: Rows, visual: Rows, labels: Rows, fit: Rows, held: Rows) -> float:
    cca = linalg.cluster_cca(audio[fit], visual[fit], labels[fit], labels[fit], 3, 0.1)
    similarity = cosine_similarity(cca.x_variates(audio[held]), cca.y_variates(visual[held]))
    relevant = labels[held][:, None] == labels[held]
    queries = [*zip(relevant, similarity, strict=True), *zip(relevant, similarity.T, strict=True)]
    return float(np.mean([average_precision_score(hits, scores) for hits, scores in queries]))


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


def test_a_search_that_stopped_goes_on_behind_its_last_trial(project: Path) -> None:
    whole = search(project).read_bytes()
    parts = search(project, BUDGET._replace(n_trials=2), "parts")
    begun = parts.read_bytes()
    assert whole.startswith(begun)
    assert search(project, out="parts").read_bytes() == whole


@pytest.mark.slow
def test_trials_do_not_depend_on_the_number_of_workers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = BUDGET._replace(n_trials=2)
    alone = search(project, budget).read_bytes()
    monkeypatch.setenv("AVR_WORKERS", "2")
    assert search(project, budget, "two").read_bytes() == alone


def test_a_null_stays_one_in_the_table_and_in_the_flags(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kcca = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())["baselines"]["kcca"]
    sections = {"models": {"kcca": "baselines.kcca"}, "baselines": {"kcca": kcca | {"n_landmarks": None}}}
    (project / "params.yaml").write_text(yaml.safe_dump(sections))
    monkeypatch.setattr("sys.argv", ["tune", "features.safetensors", "out", "kcca", "--trials", "1"])
    main()
    assert read_trials(project / "out" / "kcca.csv")[0].params["n_landmarks"] is None
    assert "-S baselines.kcca.n_landmarks=null" in capsys.readouterr().out


def test_flags_of_a_model_that_is_not_listed_name_the_section_that_was_searched(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    (project / "params.yaml").write_text(yaml.safe_dump(params | {"models": {"cca": "baselines.cca"}}))
    monkeypatch.setattr("sys.argv", ["tune", "features.safetensors", "out", "c_cca", "--trials", "1"])
    main()
    assert "-S baselines.c_cca.n_components=3 -S baselines.c_cca.ridge=0.1" in capsys.readouterr().out


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


def test_a_trial_that_diverges_has_no_score_and_the_search_goes_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = dscmr_trials(project, monkeypatch, {"learning_rate": [1e-3, 1e30]}, n_trials=6)
    diverged = [trial.params["learning_rate"] == 1e30 for trial in trials]
    assert any(diverged)
    assert [np.isnan(trial.validation_map) for trial in trials] == diverged
    assert best_trial(trials).params["learning_rate"] != 1e30
    first = diverged.index(True)
    assert f"dscmr: trial {first}: epoch 0: " in capsys.readouterr().err


def test_a_search_in_which_every_trial_diverges_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="all 1 trials diverged; expected one that trains"):
        dscmr_trials(project, monkeypatch, {}, n_trials=1, learning_rate=1e30)


def dscmr_trials(
    project: Path, monkeypatch: pytest.MonkeyPatch, space: SearchSpace, n_trials: int, **changes: float
) -> list[Trial]:
    section = yaml.safe_load((ROOT / "params.yaml").read_text())["baselines"]["dscmr"] | {"epochs": 2, **changes}
    (project / "params.yaml").write_text(yaml.safe_dump({"baselines": {"dscmr": section}}))
    monkeypatch.setattr(dscmr, "SEARCH", space)
    budget = BUDGET._replace(n_trials=n_trials)
    tune(project / "features.safetensors", "dscmr", "baselines.dscmr", budget, project / "out")
    return read_trials(project / "out" / "dscmr.csv")


def test_test_rows_are_not_looked_at(project: Path) -> None:
    trials = read_trials(search(project))
    table(noise_in_test=True).save(project / "features.safetensors")
    assert read_trials(search(project, out="noise")) == trials


def test_a_table_of_other_features_is_not_continued(project: Path) -> None:
    search(project, BUDGET._replace(n_trials=1))
    table(noise_in_test=True).save(project / "features.safetensors")
    with pytest.raises(DataError, match=r"c_cca\.csv: made with .* expected .* remove it or name another folder"):
        search(project)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "c_cca.csv").write_text("trial,score\n0,1\n")
    with pytest.raises(
        DataError, match=r"c_cca\.csv: no 'validation_map' in it; expected a table that pipeline.tune wrote"
    ):
        read_trials(tmp_path / "c_cca.csv")


def test_the_best_trial_is_the_first_of_the_highest_score(project: Path) -> None:
    trials = read_trials(search(project))
    scores = [trial.validation_map for trial in trials]
    assert best_trial(trials[::-1]).number == scores.index(max(scores))


@pytest.mark.parametrize("budget", [Budget(0, 3, 0), Budget(3, 0, 0)])
def test_a_budget_that_buys_nothing_is_refused(project: Path, budget: Budget) -> None:
    with pytest.raises(ParamsError, match="expected at least 1 trial and 1 fold"):
        search(project, budget)


def test_features_that_are_not_there_are_named(project: Path) -> None:
    (project / "features.safetensors").unlink()
    with pytest.raises(DataError, match=r"features\.safetensors: No such file or directory; expected a table"):
        search(project)


def test_a_single_cluster_is_refused(project: Path) -> None:
    with pytest.raises(ParamsError, match="expected at least 2 folds, a cluster each"):
        search(project, Budget(1, 1, 0, by_cluster=True))


def test_a_class_smaller_than_the_folds_is_refused(project: Path) -> None:
    with pytest.raises(DataError, match=r"class 'a' has 10 clips that .*; expected at least 11, one a fold"):
        search(project, Budget(1, 11, 0))
