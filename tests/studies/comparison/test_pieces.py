"""What the results page is made with: names of sets, jobs, intervals, correlations."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pipeline.errors import DataError, ParamsError
from pipeline.evaluate.independence import Groups
from pipeline.tune.choice import Trial
from pipeline.tune.trials import Budget
from studies.comparison import fits, jobs, page, sets, tables
from tests.helpers.project import ROOT


@pytest.mark.parametrize("words", [["name"], ["name="], ["a/b=file"], ["a=x", "a=y"]])
def test_a_word_that_names_no_set_of_its_own_is_refused(words: list[str]) -> None:
    with pytest.raises(ParamsError, match="expected NAME=FILE, NAME of letters, digits and _, each once"):
        sets.parse(words)


def test_folds_are_for_features_that_hold_nothing_fitted_on_the_train_rows() -> None:
    asked = Budget(n_trials=4, n_folds=3, seed=0)
    published, run = sets.parse(["published=features.h5", "run=data/features.safetensors"])
    assert sets.budget_of(published, asked, {}) == asked
    assert sets.budget_of(run, asked, {}) == Budget(n_trials=1, n_folds=1, seed=0)  # one fold judges no challenger
    assert sets.budget_of(published, asked, {"published": 2}) == Budget(4, 2, 0, by_cluster=True)


def test_an_option_for_a_set_that_is_not_there_is_refused() -> None:
    with pytest.raises(ParamsError, match="--clusters b: no such set; expected some of a"):
        sets.check_names(sets.parse(["a=x.h5"]), {"b": 2}, "--clusters")


def test_the_page_shows_the_command_that_makes_it() -> None:
    sources = sets.parse(["a=x.h5", "b=y.h5"])
    study = page.Study(sources, Budget(12, 6, 0), {"a": 2}, [0, 1], 5, ["cca"], ["a"])
    assert study.command.endswith(
        "WORK a=x.h5 b=y.h5 --trials 12 --folds 6 --seeds 0 1 --searches 5 --again cca --again-on a --clusters a=2"
    )
    assert "--again-on" not in study._replace(again_on=["a", "b"]).command


def test_a_job_whose_process_ends_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_WORKERS", "2")
    with pytest.raises(
        DataError, match="1 of 1 failed; expected results of all: 7: its process ended with exit code 7"
    ):
        jobs.run(os._exit, [7])


def test_a_job_that_fails_is_named_when_the_others_are_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AVR_WORKERS", "1")
    done: list[str] = []

    def work(name: str) -> None:
        if name == "b":
            raise DataError("no rows")
        done.append(name)

    with pytest.raises(DataError, match="1 of 3 failed; expected results of all: b: DataError: no rows"):
        jobs.run(work, ["a", "b", "c"])
    assert done == ["a", "c"]
    assert re.search(r"^work 3 of 3 after .* min: c$", capsys.readouterr().out, re.MULTILINE)


def of_clips(groups: Groups, values: np.ndarray) -> tuple[float, float]:
    """The interval, which is there."""
    interval = tables.over_groups(values, groups)
    assert interval
    return interval


def test_the_interval_over_clips_of_their_own_is_near_that_of_the_normal_distribution_and_scipy_s() -> None:
    values = np.random.default_rng(0).beta(2, 5, 400)
    low, high = of_clips(Groups.each_its_own(400), values)
    half = 1.96 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)
    options = {"n_resamples": tables.N_RESAMPLES, "method": "percentile", "batch": 100, "rng": tables.SEED}
    assert (low, high) == tuple(stats.bootstrap((values,), np.mean, **options).confidence_interval)


def test_clips_that_come_several_times_leave_the_interval_as_it_is_and_one_group_has_none() -> None:
    values, numbers = np.random.default_rng(0).beta(2, 5, 60), np.repeat(np.arange(60), 4)
    once = of_clips(Groups.each_its_own(60), values)
    assert of_clips(Groups(numbers, {}), np.repeat(values, 4)) == pytest.approx(once, abs=1e-12)
    assert tables.over_groups(values, Groups(np.zeros(60, int), {})) is None


def test_groups_of_unlike_sizes_are_drawn_whole_and_their_clips_count_alike() -> None:
    rng = np.random.default_rng(1)
    numbers = np.repeat(np.arange(80), rng.integers(1, 8, 80))
    values = rng.normal(size=80)[numbers] + 0.1 * rng.normal(size=len(numbers))
    draws = []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(numbers == group) for group in rng.integers(80, size=80)])
        draws.append(values[rows].mean())
    low, high = of_clips(Groups(numbers, {}), values)
    assert (low, high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.1 * (high - low))


def test_the_page_says_where_there_is_one_group_and_no_interval() -> None:
    metrics = {"average": {"map": 0.5, "map_std": 0.0}}
    row = tables.MeasuredLine("m", 1, metrics, over_groups=None, lead=None)
    filters = page._environment().filters
    assert filters["over_groups"](row) == "one group: no interval"
    assert filters["parts"](row) == "one fit, one group: no interval"
    assert filters["lead_over_groups"](tables.Lead(0.1, None, 1.0)) == "one group: no interval"


def line(name: str, test_map: float) -> tables.MeasuredLine:
    metrics = {"average": {"map": test_map}}
    return tables.MeasuredLine(name, 1, metrics, over_groups=tables.Interval(0, 1), lead=None)


def test_a_new_model_is_a_rival_and_the_main_model_and_the_baselines_are_none() -> None:
    of_models = [line("dual_subspace", 0.9), line("ms_vae", 0.8), line("label_probabilities", 0.7)]
    assert tables.best_rival(of_models) is None
    assert tables.likeliest_rival(of_models, {}) is None
    of_models += [line("new", 0.6), line("cca", 0.5)]
    trials = {"new": Trial(0, 0.1, 0.0, [0.1], {}), "cca": Trial(0, 0.2, 0.0, [0.2], {})}
    best, likeliest = tables.best_rival(of_models), tables.likeliest_rival(of_models, trials)
    assert [row.name for row in (best, likeliest) if row] == ["new", "cca"]


def test_alike_embeddings_correlate_on_train_and_test_and_unlike_ones_on_train_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fit = fits.Fit(Path("tiny.safetensors"), "", "cca", "{}", 0, "", tmp_path)
    train, test, other = (rng.standard_normal((50, 3)) for _ in range(3))
    fit.file("embeddings").parent.mkdir(parents=True)
    for pair, correlation in ((test, 1), (other, 0)):
        np.savez(fit.file("embeddings"), train_audio=train, train_visual=train, test_audio=test, test_visual=pair)
        on_train, on_test = tables.correlations(fit)
        assert on_train == pytest.approx(np.ones(3))
        assert on_test == pytest.approx(np.full(3, correlation), abs=0.4)


def test_the_words_of_the_page_in_docs_are_those_that_the_template_gives() -> None:
    template = (Path(page.__file__).parent / page.TEMPLATE).read_text().partition("\n# Results\n")[2]
    lines_left = iter((ROOT / "docs/results.md").read_text().splitlines())
    words = [line for line in template.splitlines() if line and "{" not in line]
    assert len(words) > 80
    assert [line for line in words if line not in lines_left] == []  # each behind the one before
