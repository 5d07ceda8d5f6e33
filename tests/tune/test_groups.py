"""Where folds hold out too few groups nothing is chosen: of any model, with any seed, by clusters and by sources."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from scipy import stats

from pipeline.errors import DataError
from pipeline.formats.clips import write_clips
from pipeline.tune.__main__ import main
from pipeline.tune.choice import FEWEST_GROUPS, changes, chosen_trial, why_too_few
from pipeline.tune.folds import n_groups
from pipeline.tune.tables import read_curves, read_trials
from pipeline.tune.tpe import TpeSampler
from pipeline.tune.trials import Budget, tune, why_not_searched
from tests.helpers.project import ROOT
from tests.helpers.tune_search import clips_of, table
from tests.helpers.yaml_text import read_yaml

MODELS = {"c_cca": {}, "label_probabilities": {}, "dscmr": {"epochs": 2}}


@pytest.fixture
def project_of_models(project: Path) -> Path:
    """A folder with the shipped parameters of three models, the network's for two epochs."""
    shipped = read_yaml((ROOT / "params.yaml").read_text())["baselines"]
    sections = {name: shipped[name] | of for name, of in MODELS.items()}
    sections["c_cca"] |= {"n_components": 1, "ridge": 1000.0}  # which most draws are clearly ahead of
    models = {name: f"baselines.{name}" for name in MODELS}
    (project / "params.yaml").write_text(yaml.safe_dump({"models": models, "baselines": sections}))
    return project


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", MODELS)
def test_by_two_clusters_trial_0_is_fitted_alone_and_nothing_changes(
    model: str, seed: int, project_of_models: Path
) -> None:
    words = project_of_models / "features.safetensors", model, f"baselines.{model}"
    trials = tune(*words, Budget(6, 2, seed, by_cluster=True), project_of_models / "out")
    assert [(trial.number, len(trial.fold_maps)) for trial in trials] == [(0, 2)]
    assert read_trials(project_of_models / f"out/{model}.csv") == trials
    assert {fit.trial for fit in read_curves(project_of_models / f"out/{model}.curves.csv")} == {0}
    assert changes(chosen_trial(trials, 2)) == {}


@pytest.mark.parametrize("n_folds", [FEWEST_GROUPS - 1, FEWEST_GROUPS])
def test_as_many_clusters_as_are_needed_are_searched_and_one_fewer_is_not(n_folds: int, project: Path) -> None:
    words = project / "features.safetensors", "c_cca", "baselines.c_cca", Budget(4, n_folds, 0, by_cluster=True)
    assert len(tune(*words, project / "out")) == (4 if n_folds == FEWEST_GROUPS else 1)


@pytest.mark.parametrize(("source_of", "n_sources"), [(lambda i: f"{i // 15}", 4), (lambda i: f"{i // 12}", 5)])
def test_so_it_is_with_sources_that_stay_together(
    source_of: Callable[[int], str], n_sources: int, project: Path
) -> None:
    write_clips(project / "clips.csv", clips_of(source_of))
    words = project / "features.safetensors", "c_cca", "baselines.c_cca", Budget(4, 2, 0)
    assert n_groups(table(), clips_of(source_of)) == n_sources
    assert len(tune(*words, project / "known", clips=project / "clips.csv")) == (4 if n_sources >= FEWEST_GROUPS else 1)
    assert len(tune(*words, project / "unknown")) == 4  # 40 clips that share nothing


def test_a_sampler_that_learns_draws_nothing_either(project: Path) -> None:
    words = project / "features.safetensors", "c_cca", "baselines.c_cca", Budget(4, 2, 0, by_cluster=True)
    assert [trial.number for trial in tune(*words, project / "out", sampler=TpeSampler)] == [0]


def test_the_command_says_how_many_groups_there_are_and_how_many_are_needed(
    project_of_models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["features.safetensors", "out", "c_cca", "label_probabilities", "--by-cluster"]
    monkeypatch.setattr("sys.argv", ["tune", *words, "--folds", "2"])
    main()
    said = capsys.readouterr().out
    for name in ("c_cca", "label_probabilities"):
        map_of_0 = read_trials(project_of_models / f"out/{name}.csv")[0].validation_map
        assert f"{name}: 1 trial, 2 fits; " in said
        assert (
            f"""
{name}: trial 0, the values of params.yaml, stays, and no other is tried: folds hold out 2 groups of clips, and 5 are \
needed: fewer say too little of the new ones that test clips have
{name}: MAP {map_of_0:.4f} in trial 0: nothing to change
"""
            in said
        )
    monkeypatch.setattr("sys.argv", ["tune", *words[:1], "five", *words[2:], "--folds", "5", "--trials", "4"])
    main()
    said = capsys.readouterr().out
    assert "no other is tried" not in said
    assert "c_cca: trial" in said
    assert "takes the place of trial 0, the values of params.yaml: +" in said


def test_a_table_of_more_trials_that_is_there_chooses_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = project / "features.safetensors", "c_cca", "baselines.c_cca", Budget(4, 2, 0, by_cluster=True)
    with monkeypatch.context() as context:
        context.setattr("pipeline.tune.choice.FEWEST_GROUPS", 2)
        assert len(tune(*words, project / "out")) == 4
    assert len(tune(*words, project / "out")) == 1
    assert [trial.number for trial in read_trials(project / "out/c_cca.csv")] == [0]


def test_a_trial_0_that_diverges_has_no_other_to_take_its_place(project_of_models: Path) -> None:
    params = read_yaml((project_of_models / "params.yaml").read_text())
    params["baselines"]["dscmr"] |= {"learning_rate": 1e30}
    (project_of_models / "params.yaml").write_text(yaml.safe_dump(params))
    words = project_of_models / "features.safetensors", "dscmr", "baselines.dscmr"
    trials = tune(*words, Budget(4, 2, 0, by_cluster=True), project_of_models / "out")
    with pytest.raises(DataError, match="all 1 trials diverged"):
        chosen_trial(trials, 2)


def test_validation_rows_hold_out_no_group_and_have_a_rule_of_their_own(project: Path) -> None:
    assert why_not_searched(project / "features.safetensors", Budget(4, 1, 0)) == ""


def test_the_fewest_groups_are_where_the_error_is_known_within_a_factor_of_three() -> None:
    def factor(n_groups: int) -> float:
        return float(((n_groups - 1) / stats.chi2.ppf(0.025, n_groups - 1)) ** 0.5)

    assert [round(factor(n), 1) for n in range(2, 7)] == [31.9, 6.3, 3.7, 2.9, 2.5]
    assert [bool(why_too_few(n)) for n in range(2, 7)] == [factor(n) > 3 for n in range(2, 7)]
