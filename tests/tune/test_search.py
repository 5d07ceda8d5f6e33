"""A search: its folds, rungs and epochs, and how it goes on after it was killed."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.errors import DataError
from pipeline.formats.clips import write_clips
from pipeline.model_parts.base import History, Pairs
from pipeline.model_parts.search_space import SearchSpace
from pipeline.models import c_cca, dscmr
from pipeline.tune.choice import Trial, chosen_trial
from pipeline.tune.fits import fold_curve
from pipeline.tune.samplers import RandomSampler, Sampler
from pipeline.tune.tables import read_curves, read_trials
from pipeline.tune.tpe import TpeSampler
from pipeline.tune.trials import Budget, tune
from tests.helpers.tune_search import BUDGET, clips_of, search, table
from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]


def test_a_search_for_more_trials_goes_on_with_those_of_a_smaller_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(project).read_bytes()
    search(project, BUDGET._replace(n_trials=2), "parts")
    fits = read_curves(project / "parts/c_cca.curves.csv")
    fitted = count_fits(monkeypatch)
    assert search(project, out="parts").read_bytes() == whole
    assert {(fit.trial, fit.fold) for fit in fits} == {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)}
    assert len(fitted) == len(read_curves(project / "parts/c_cca.curves.csv")) - len(fits)


def count_fits(monkeypatch: pytest.MonkeyPatch, stop_before: int | None = None) -> list[int]:
    """A list that grows by one with every fit of c_cca; before one of them it may be as if the process was killed."""
    fitted: list[int] = []
    fit = c_cca.Model.fit

    def counted(self: c_cca.Model, train: Pairs, validation: Pairs) -> History:
        if len(fitted) == stop_before:
            raise KeyboardInterrupt
        fitted.append(len(train.labels))
        return fit(self, train, validation)

    monkeypatch.setattr(c_cca.Model, "fit", counted)
    return fitted


@pytest.mark.parametrize("sampler", [RandomSampler, TpeSampler])
@pytest.mark.parametrize("n_done", [0, 1, 4, 9])
def test_a_killed_search_goes_on_behind_its_last_fit_to_the_same_tables(
    n_done: int, sampler: type[Sampler], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = project / "features.safetensors", "c_cca", "baselines.c_cca", BUDGET
    tune(*words, project / "whole", sampler=sampler)
    with monkeypatch.context() as context:
        count_fits(context, stop_before=n_done)
        with pytest.raises(KeyboardInterrupt):
            tune(*words, project / "killed", sampler=sampler)
    fitted = count_fits(monkeypatch)
    tune(*words, project / "killed", sampler=sampler)
    assert len(fitted) == 4 * 2 + 3 - n_done
    for name in ("c_cca.csv", "c_cca.curves.csv"):
        assert (project / "killed" / name).read_bytes() == (project / "whole" / name).read_bytes()


def test_what_is_fitted_is_the_closed_form_of_the_halving(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = count_fits(monkeypatch)
    trials = read_trials(search(project, Budget(n_trials=8, n_folds=6, seed=0)))
    assert [len(trial.fold_maps) for trial in trials].count(6) == 1 + 2  # of 7 challengers 4 go on, and 2 of those
    assert [len(trial.fold_maps) for trial in trials].count(3) == 2
    assert len(trials[0].fold_maps) == 6
    assert len(fitted) == 8 * 2 + 5 * 1 + 3 * 3


def test_the_better_half_of_the_challengers_goes_on(project: Path) -> None:
    trials = read_trials(search(project, Budget(n_trials=8, n_folds=3, seed=0)))
    curves = {(fit.trial, fit.fold): fit.curve[0] for fit in read_curves(project / "out/c_cca.curves.csv")}
    first = {number: (curves[number, 0] + curves[number, 1]) / 2 for number in range(1, 8)}
    expected = sorted(first, key=lambda number: -first[number])[:4]
    assert [trial.number for trial in trials if len(trial.fold_maps) == 3] == sorted([0, *expected])


def test_every_epoch_of_a_fold_is_in_the_table_whatever_the_patience(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [trial] = dscmr_trials(project, monkeypatch, {}, n_trials=1, epochs=8, patience=1)
    curves = [fit.curve for fit in read_curves(project / "out/dscmr.curves.csv")]
    assert [len(curve) for curve in curves] == [8, 8, 8]
    assert curves[0] == pytest.approx(maps_of_shorter_fits(project, 8), abs=1e-6)
    means = [sum(curve[epoch] for curve in curves) / 3 for epoch in range(8)]
    best = next(epoch for epoch in range(8) if means[epoch] == max(means))
    assert trial.params == {"epochs": best + 1, "patience": None}
    assert trial.fold_maps == [curve[best] for curve in curves]


def maps_of_shorter_fits(project: Path, epochs: int) -> list[float]:
    """What dscmr without patience has on the first fold when it is trained for 1 epoch, for 2, and so on."""
    rows, found = table(), []
    usable = [i for i in range(60) if i % 3]
    fit, held = next(
        iter(StratifiedGroupKFold(3, shuffle=True, random_state=0).split(usable, rows.labels[usable], usable))
    )
    pairs = [Pairs(rows.audio[usable][of], rows.visual[usable][of], rows.labels[usable][of]) for of in (fit, held)]
    section = read_yaml((project / "params.yaml").read_text())["baselines"]["dscmr"]
    for n_epochs in range(1, epochs + 1):
        params = dscmr.Params.model_validate(section | {"epochs": n_epochs, "patience": None})
        found.append(fold_curve(dscmr.Model(params, 0), *pairs)[-1])
    return found


@pytest.mark.slow
def test_trials_do_not_depend_on_the_number_of_workers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = BUDGET._replace(n_trials=2)
    alone = search(project, budget).read_bytes()
    monkeypatch.setenv("AVR_WORKERS", "2")
    assert search(project, budget, "two").read_bytes() == alone
    curves = [(project / out / "c_cca.curves.csv").read_bytes() for out in ("out", "two")]
    assert curves[0] == curves[1]


def test_a_trial_that_diverges_has_no_score_and_the_search_goes_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = dscmr_trials(project, monkeypatch, {"learning_rate": [1e-3, 1e30]}, n_trials=6)
    diverged = [trial.params["learning_rate"] == 1e30 for trial in trials]
    assert any(diverged)
    assert [np.isnan(trial.validation_map) for trial in trials] == diverged
    assert chosen_trial(trials, 3).params["learning_rate"] != 1e30
    first = diverged.index(True)
    assert f"dscmr: trial {first}, fold 0: epoch 0: " in capsys.readouterr().err


def test_a_search_in_which_every_trial_diverges_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = dscmr_trials(project, monkeypatch, {}, n_trials=1, learning_rate=1e30)
    with pytest.raises(DataError, match="all 1 trials diverged; expected one that trains"):
        chosen_trial(trials, 3)


def dscmr_trials(
    project: Path, monkeypatch: pytest.MonkeyPatch, space: SearchSpace, n_trials: int, **changes: float
) -> list[Trial]:
    section = read_yaml((ROOT / "params.yaml").read_text())["baselines"]["dscmr"] | {"epochs": 2, **changes}
    (project / "params.yaml").write_text(yaml.safe_dump({"baselines": {"dscmr": section}}))
    monkeypatch.setattr(dscmr, "SEARCH", space)
    budget = BUDGET._replace(n_trials=n_trials)
    tune(project / "features.safetensors", "dscmr", "baselines.dscmr", budget, project / "out")
    return read_trials(project / "out" / "dscmr.csv")


def test_a_table_of_other_features_is_not_continued(project: Path) -> None:
    search(project, BUDGET._replace(n_trials=1))
    table(noise_in_test=True).save(project / "features.safetensors")
    with pytest.raises(DataError, match=r"c_cca\.csv: made with .* expected .* remove it or name another folder"):
        search(project)
    (project / "out/c_cca.csv").unlink()
    with pytest.raises(DataError, match=r"c_cca\.curves\.csv: made with .* expected .* name another folder"):
        search(project)


def test_tables_of_other_ranges_or_recordings_are_not_continued(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search(project, BUDGET._replace(n_trials=1))
    with monkeypatch.context() as context:
        context.setattr(c_cca, "SEARCH", {"ridge": ("loguniform", 1e-4, 1.0)})
        with pytest.raises(DataError, match=r"c_cca\.csv: made with"):
            search(project, BUDGET._replace(n_trials=1))
    write_clips(project / "clips.csv", clips_of(lambda i: f"{i // 6}"))
    words = project / "features.safetensors", "c_cca", "baselines.c_cca", BUDGET
    with pytest.raises(DataError, match=r"c_cca\.csv: made with"):
        tune(*words, project / "out", clips=project / "clips.csv")


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "c_cca.csv").write_text("trial,score\n0,1\n")
    with pytest.raises(
        DataError, match=r"c_cca\.csv: no 'validation_map' in it; expected a table that `avr tune` wrote"
    ):
        read_trials(tmp_path / "c_cca.csv")


def test_a_file_that_holds_no_curves_is_named(tmp_path: Path) -> None:
    (tmp_path / "c_cca.curves.csv").write_text("trial,fold\n0,1\n")
    with pytest.raises(DataError, match=r"c_cca\.curves\.csv: .*params.*; expected a table that `avr tune` wrote"):
        read_curves(tmp_path / "c_cca.curves.csv")
