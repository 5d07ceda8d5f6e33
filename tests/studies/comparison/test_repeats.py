"""Fits added up, further searches, and the orders that the models have in them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from pipeline.errors import ParamsError
from pipeline.formats.feature_table import FeatureTable
from pipeline.tune.trials import Budget
from studies.comparison import ensembles, orders, page, repeated
from studies.comparison.fits import Fit, scores
from studies.comparison.jobs import Search
from studies.comparison.lines import Form, Line, SetLines
from tests.helpers.compared import SEEDS, SHIPPED, cells, features, fitted
from tests.helpers.cosines import exact_cosines

LABELS = np.arange(24) % 3
FORMS: tuple[Form, ...] = ("tuned", "shipped")


def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_rows_side_by_side_have_the_mean_of_the_cosines() -> None:
    rng = np.random.default_rng(0)
    audio, visual = ([unit(rng.standard_normal((6, width))) for width in (3, 5)] for _ in range(2))
    found = ensembles.joined(audio) @ ensembles.joined(visual).T
    expected = np.mean([exact_cosines(a, v) for a, v in zip(audio, visual, strict=True)], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.fixture
def set_file(tmp_path: Path) -> Path:
    """A set of which only the labels of the test rows count."""
    rows = np.random.default_rng(0).standard_normal((24, 2)).astype(np.float32)
    ids, splits, classes = [str(i) for i in range(24)], ["test"] * 24, list("abc")
    table = FeatureTable(
        clip_ids=ids, splits=splits, labels=LABELS, classes=classes, audio=rows, visual=rows, provenance={}
    )
    table.save(tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def done_fit(features: Path, model: str, seed: int, out: Path, noise: float) -> Fit:
    """A fit whose embeddings show the class in noise."""
    fit = Fit(features, "", model, f'"{noise}"', seed, "", out)
    rng = np.random.default_rng(seed)
    audio, visual = (unit(np.eye(3)[LABELS] + noise * rng.standard_normal((24, 3))) for _ in range(2))
    for kind, arrays in (("vectors", {"audio": audio, "visual": visual}), ("scores", scores(audio, visual, LABELS))):
        fit.file(kind).parent.mkdir(parents=True, exist_ok=True)
        np.savez(fit.file(kind), allow_pickle=False, **arrays)
    return fit


def test_fits_added_up_are_scored_by_the_mean_of_their_similarities(set_file: Path, tmp_path: Path) -> None:
    of_model = [done_fit(set_file, "dscmr", seed, tmp_path, noise=1.0) for seed in range(3)]
    vectors = [np.load(fit.file("vectors")) for fit in of_model]
    similarity = np.mean([file["audio"] @ file["visual"].T for file in vectors], axis=0)
    relevant = LABELS[:, None] == LABELS
    expected = [average_precision_score(hits, row) for hits, row in zip(relevant, similarity, strict=True)]
    found = ensembles.added_up(of_model)["audio_to_visual"].scalars["map"]
    assert found.shape == (1, 24)
    np.testing.assert_allclose(found[0], expected, atol=1e-9)


def test_the_page_says_what_networks_come_to_one_by_one_and_added_up(finished: Path) -> None:
    vectors = [fitted("dual_subspace", finished, seed) for seed in SEEDS]
    similarity = np.mean([exact_cosines(*pair) for pair in vectors], axis=0)
    relevant = features().rows("test")[2][:, None] == features().rows("test")[2]
    ways = [(relevant, similarity), (relevant.T, similarity.T)]
    together = np.mean([average_precision_score(*pair) for way in ways for pair in zip(*way, strict=True)])
    line = cells(finished, "One network, or 2 added up", "`dual_subspace`")
    assert line[3] == cells(finished, SHIPPED, "`dual_subspace`")[4].partition(" ")[0]
    assert float(line[4]) == pytest.approx(together, abs=6e-4)


def test_the_page_has_the_order_of_the_models_in_each_search_and_what_the_search_gained(finished: Path) -> None:
    section = "Would another search, another seed or another grouping change the order?"
    text = (finished / "docs/results.md").read_text().partition("### What tuning gains\n")[2].partition("\n## ")[0]
    others = ("this page", "seed 0 alone", "seed 1 alone", "search 1", "folds by row")
    names = [name.strip("`") for name in cells(finished, section, "what is other")[1:-1]]
    assert sorted(names) == ["c_cca", "dual_subspace"]
    for of in others:
        *maps, order = cells(finished, section, of)[1:]
        of_model = dict(zip(names, map(float, maps), strict=True))
        assert order == " > ".join(sorted(names, key=lambda name: -of_model[name])) or len(set(maps)) == 1
    searched = [line.split(" | ")[1:3] for line in text.splitlines() if line.startswith("| tiny | ")]
    assert searched == [[of, f"`{name}`"] for of in ("this page", "search 1", "folds by row") for name in names]
    assert "\nOf 6 searches " in text


def set_lines(features: Path, out: Path, noises: dict[str, list[float]]) -> SetLines:
    """Lines of models whose fits have these noises."""
    models = [
        Line(form, name, [done_fit(features, name, seed, out, noise) for seed, noise in enumerate(of)])
        for form in FORMS
        for name, of in noises.items()
    ]
    return SetLines(features, [], {}, models, [])


def test_orders_are_by_the_mean_of_the_seeds_by_each_seed_and_by_other_searches(set_file: Path, tmp_path: Path) -> None:
    of_page = set_lines(set_file, tmp_path, {"acmr": [0.1, 9.0], "dscmr": [1.0, 0.1], "c_cca": [0.5]})
    other = set_lines(set_file, tmp_path, {"acmr": [0.1, 0.1], "dscmr": [9.0, 9.0], "c_cca": [9.0]})
    found = orders.orders(of_page, {"search 1": other}, ["acmr", "dscmr", "c_cca"])
    assert [order.of for order in found] == ["this page", "seed 0 alone", "seed 1 alone", "search 1"]
    assert [order.names[0] for order in found] == ["c_cca", "acmr", "dscmr", "acmr"]
    assert found[0].maps["acmr"] == pytest.approx(np.mean([found[1].maps["acmr"], found[2].maps["acmr"]]))
    assert found[1].maps["c_cca"] == found[2].maps["c_cca"] == found[0].maps["c_cca"]
    assert orders.n_other_firsts(found) == 3


def test_further_searches_have_other_seeds_and_folders_and_clusters_are_compared_with_folds_by_row() -> None:
    budget = Budget(12, 6, 0)
    of_set = [
        Search(Path("a.safetensors"), name, "s", Budget(12, 5, 0, by_cluster=True), Path(f"work/tune/a/{name}"), None)
        for name in ("cca", "dscmr")
    ]
    found = repeated.searches(of_set, budget, 3, ["dscmr"], Path("work"))
    assert {of: [job.budget for job in jobs] for of, jobs in found.items()} == {
        "search 1": [Budget(12, 5, 1, by_cluster=True)],
        "search 2": [Budget(12, 5, 2, by_cluster=True)],
        "folds by row": [budget],
    }
    jobs = [*of_set, *(job for jobs in found.values() for job in jobs)]
    assert len({job.out for job in jobs}) == len(jobs)
    by_row = [job._replace(budget=budget) for job in of_set]
    assert list(repeated.searches(by_row, budget, 3, ["dscmr"], Path("work"))) == ["search 1", "search 2"]


def test_one_fold_is_not_searched_again() -> None:
    of_set = [Search(Path("a.safetensors"), "dscmr", "s", Budget(1, 1, 0), Path("work/tune/a/x"), None)]
    assert repeated.searches(of_set, Budget(12, 6, 0), 5, ["dscmr"], Path("work")) == {}


def test_an_order_is_named_by_the_seed_of_its_fits(set_file: Path, tmp_path: Path) -> None:
    of_seeds = [done_fit(set_file, "acmr", seed, tmp_path, 1.0) for seed in (5, 7)]
    of_set = SetLines(set_file, [], {}, [Line("tuned", "acmr", of_seeds)], [])
    assert [order.of for order in orders.orders(of_set, {}, ["acmr"])] == ["this page", "seed 5 alone", "seed 7 alone"]


def test_a_model_that_is_not_searched_cannot_be_searched_again() -> None:
    repeated.check_models(["acmr"], {"acmr": "baselines.acmr"})
    with pytest.raises(ParamsError, match="--again nosuch: no such model; expected some of acmr"):
        repeated.check_models(["acmr", "nosuch"], {"acmr": "baselines.acmr"})


def test_models_of_one_seed_are_not_added_up(set_file: Path, tmp_path: Path) -> None:
    fit = done_fit(set_file, "dual_subspace", 0, tmp_path, 1.0)
    of_set = SetLines(set_file, [], {}, [Line(form, fit.model, [fit]) for form in page.FORMS], [])
    assert page._added_up(of_set) == {form: {} for form in page.FORMS}
