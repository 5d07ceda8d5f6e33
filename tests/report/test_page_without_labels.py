"""The page about a run of clips without labels, and of clips of which some have one."""

import json

import pytest

from pipeline.errors import DataError
from pipeline.evaluate.runs import run_of_file
from pipeline.evaluate.side_by_side import side_by_side
from pipeline.paper.maps import paper_table
from tests.helpers.report_run import Run

NOISES = {"main": 0.5, "better": 0.2, "noise": 50.0}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("bare"), NOISES, n_each_picture=1, labelled=0)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("some"), NOISES, labelled=0.5)


def test_the_models_are_ranked_by_the_mean_reciprocal_rank_of_the_own_clip(bare: Run) -> None:
    heads, *rows, chance = bare.page.table("model")
    models = bare.metrics["models"]
    assert [row[0] for row in rows] == sorted(models, key=lambda name: -models[name]["average"]["mrr"])
    for row in (dict(zip(heads, row, strict=False)) for row in rows):
        of = models[row["model"]]
        assert row["MRR, sound to video"] == f"{of['audio_to_visual']['mrr']:.3f}"
        assert row["MRR, average"].startswith(f"{of['average']['mrr']:.3f}")
        assert row["R@1"] == f"{of['average']['recall_at_1']:.3f}"
        assert row["median rank"] == f"{of['average']['median_rank']:.1f}"
    numbers = bare.metrics["chance"]
    cells = [f"{numbers['mrr']:.3f}"] * 3 + [f"{numbers[f'recall_at_{k}']:.3f}" for k in (1, 10)]
    assert chance[: len(cells) + 2] == ["chance", *cells, f"{numbers['median_rank']:.1f}"]


def test_no_map_is_printed_and_no_class_is_shown(bare: Run) -> None:
    assert "map" not in json.dumps(bare.metrics)
    assert "MAP" not in bare.page.text.partition("What the words mean")[0].replace("MAP of one query", "")
    assert not {"classes", "confusion"} & {attributes.get("id") for _, attributes in bare.page.elements}
    assert "none: no clip has a label" in bare.page.text


def test_the_summary_names_the_number_that_it_holds(bare: Run) -> None:
    summary = json.loads((bare.folder / "summary.json").read_text())
    assert summary["mrr"] == bare.metrics["models"]["main"]["average"]["mrr"]
    assert (summary["best_other"], summary["chance_mrr"]) == ("better", bare.metrics["chance"]["mrr"])
    assert bare.metrics["dataset"]["relevance"] == "clip"


def test_two_such_runs_are_compared_by_that_number(bare: Run) -> None:
    run = run_of_file(bare.folder / "metrics.json")
    found = side_by_side(run, run)
    assert [row.key for row in found.models] == [f"{name}.average.mrr" for name in NOISES]
    assert {row.p for row in found.models} == {1.0}


def test_a_table_of_maps_is_refused_with_the_reason(bare: Run) -> None:
    with pytest.raises(DataError, match="relevant is the own clip, so there is no MAP; expected a run with labels"):
        paper_table(run_of_file(bare.folder / "metrics.json"))


def test_with_some_labels_the_page_says_how_many_clips_have_none(some: Run) -> None:
    assert some.metrics["dataset"]["n_unlabelled"] == some.metrics["dataset"]["n_unlabelled_test"] == 15
    assert some.metrics["dataset"]["n_queries"] == 15
    assert "15 clips, 15 of them of the test split, which are neither queries nor results" in some.page.text
    assert "map" in some.metrics["models"]["main"]["average"]
