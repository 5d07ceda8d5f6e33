import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import ParamsError
from pipeline.linalg import cluster_cca
from pipeline.tune.choice import chosen_trial
from pipeline.tune.tables import read_trials
from studies.ablation import PRESETS
from studies.comparison import code, jobs, lines, tables
from tests.helpers.compared import (
    BUDGET,
    SECTIONS,
    SEEDS,
    SHIPPED,
    average_precisions,
    cells,
    features,
    run,
    scores,
    trial_table,
)
from tests.helpers.project import ROOT


def modified(folder: Path) -> dict[str, int]:
    """When each file of searches and fits was written."""
    files = [path for kind in ("tune", "scores", "embeddings") for path in (folder / "work" / kind).rglob("*.*")]
    return {str(path): path.stat().st_mtime_ns for path in files}


def page_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (folder / "docs").rglob("*.*")}


def test_the_maps_of_a_closed_form_are_those_of_scikit_learn(finished: Path) -> None:
    (audio, visual, labels), test = features().rows("train"), features().rows("test")
    cca = cluster_cca(audio, visual, labels, labels, 2, 0.1)
    embedded = cca.x_variates(test[0]), cca.y_variates(test[1])
    maps = average_precisions(*embedded).mean(axis=1)
    similarity = cosine_similarity(*embedded)
    nearest = [test[2][way.argmax(axis=1)] == test[2] for way in (similarity, similarity.T)]
    shown = cells(finished, SHIPPED, "`c_cca`")
    assert shown[2:5] == [f"{value:.3f}" for value in (*maps, maps.mean())]
    assert shown[5] == "one fit"
    assert shown[8] == f"{np.mean(nearest):.3f}"


def test_mean_spread_and_interval_over_the_seeds_are_those_of_scipy(finished: Path) -> None:
    maps = scores("dual_subspace", finished, SEEDS).mean(axis=(1, 2))
    interval = stats.t.interval(0.95, len(maps) - 1, maps.mean(), stats.sem(maps))
    shown = cells(finished, SHIPPED, "`dual_subspace`")
    assert shown[4] == f"{maps.mean():.3f} ± {maps.std(ddof=1):.3f}"
    assert shown[5] == f"{interval[0]:.3f} to {interval[1]:.3f}"


def test_a_lead_is_the_difference_of_the_maps_of_scikit_learn(finished: Path) -> None:
    dual = scores("dual_subspace", finished, SEEDS).mean()
    for name in ("cca", "c_cca"):
        lead = dual - scores(name, finished, [0]).mean()
        assert cells(finished, SHIPPED, f"`{name}`")[9] == f"{100 * lead:+.1f}"


@pytest.mark.parametrize(
    ("section", "form", "by", "column"), [(SHIPPED, "shipped", "test", 4), ("Tuned", "tuned", "validation", 1)]
)
def test_the_verdict_names_the_best_published_rival(
    finished: Path, section: str, form: str, by: str, column: int
) -> None:
    text = (finished / "docs/results.md").read_text()
    rivals = {name: cells(finished, section, f"`{name}`") for name in ("cca", "c_cca")}
    best = max(rivals, key=lambda name: float(rivals[name][column]))
    said = f"**tiny**, {form}: the best published single-subspace rival by {by} MAP is `{best}` "
    assert f"{said}({rivals[best][4]} on test); `dual_subspace` is {rivals[best][9]} points" in text


def test_the_validation_map_and_the_tuned_params_are_those_of_the_chosen_trial(finished: Path) -> None:
    trials = read_trials(trial_table(finished / "work", "dual_subspace"))
    best = chosen_trial(trials, BUDGET.n_folds)
    assert len(trials) == 2
    shown = cells(finished, "The tuned parameters", "`dual_subspace`")[2]
    assert cells(finished, "Tuned", "`dual_subspace`")[1] == f"{best.validation_map:.3f}"
    if best.number == 0:
        assert shown == "as in params.yaml"
    else:
        assert f" epochs={best.params['epochs']} " in shown
        assert f"implicit_branch={best.params['implicit_branch']} " in shown


def test_the_tables_of_all_trials_stand_beside_the_page(finished: Path) -> None:
    for name in SECTIONS:
        table = finished / "docs/results/trials/tiny" / f"{name}.csv"
        assert table.read_bytes() == trial_table(finished / "work", name).read_bytes()


def test_every_preset_has_a_line_and_one_that_changes_nothing_the_numbers_of_the_whole(finished: Path) -> None:
    lines = {name: cells(finished, "What each part is worth", name) for name in PRESETS}
    assert lines["no-fusion-cca"][2].startswith(lines["full"][2])  # the shipped model is fused by weight
    assert len({line[2] for line in lines.values()}) > len(PRESETS) / 2


def test_a_run_after_a_killed_one_computes_what_is_missing_alone_and_writes_the_same_page(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "copy"))
    before, page_before = modified(folder), page_bytes(folder)
    missing = sorted((folder / "work/scores").rglob("*.npz"))[::5]
    for file in missing:
        file.unlink()
    run(folder, monkeypatch)
    after = modified(folder)
    assert {path for path in after if after[path] != before[path]} == {str(path) for path in missing}
    assert f"score {len(missing)} of {len(missing)}" in capsys.readouterr().out
    assert page_bytes(folder) == page_before
    assert len(page_before) == 4 + len(SECTIONS)  # the page, three pictures, the trials


def test_a_set_whose_folds_hold_out_two_groups_is_not_searched_and_tuned_is_as_shipped(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "copy"))
    for kind in ("tune", "search-1", "folds-by-row"):
        shutil.rmtree(folder / "work" / kind)
    run(folder, monkeypatch, n_clusters=2)
    assert "score" not in capsys.readouterr().out  # the tuned fits are the shipped ones, which are there
    assert not (folder / "work/search-1").exists()
    for name in SECTIONS:
        assert [trial.number for trial in read_trials(folder / f"docs/results/trials/tiny/{name}.csv")] == [0]
        assert cells(folder, "Tuned", f"`{name}`")[2:] == cells(folder, SHIPPED, f"`{name}`")[2:]
    text = (folder / "docs/results.md").read_text()
    why = (
        "folds hold out 2 groups of clips, and 5 are needed: fewer say too little of the new ones that test clips have"
    )
    assert f"\n- **tiny is not searched**, with no seed and for no model: {why}. Tuned is as shipped there.\n" in text
    assert "so below it in none of 2 searches of 2 models.\n" in text
    for name in ("dual_subspace", "c_cca"):
        test_map = cells(folder, SHIPPED, f"`{name}`")[4].partition(" ")[0]
        assert f"| tiny | none, as shipped | `{name}` | 0 | +0.0 | {test_map} | {test_map} | +0.0 | " in text
    assert "| seed 1 alone |" in text
    assert not any(of in text for of in ("| search 1 |", "| folds by row |", " searches 0 chose another trial"))


def test_after_an_edit_of_a_model_its_search_and_its_fits_are_missing_and_no_others(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, project = Path(shutil.copytree(finished / "work", tmp_path / "work")), tmp_path / "project"
    for name in ("pipeline", "studies"):
        shutil.copytree(ROOT / name, project / name)
    with (project / "pipeline/models/c_cca.py").open("a") as file:
        file.write("TWO = 1 + 1\n")
    monkeypatch.chdir(finished)
    monkeypatch.setattr(code, "code_hash", partial(code.code_hash, project=project))
    todo = lines.searches(Path("work/sets/tiny.safetensors"), SECTIONS, BUDGET, work)
    missing = [job for job in todo if not (job.out / f"{job.model}.csv").exists()]
    assert [job.model for job in missing] == ["c_cca"]
    monkeypatch.setenv("AVR_WORKERS", "1")
    jobs.run(jobs.search, missing)
    of_set = lines.set_lines(todo, SEEDS, work)
    assert {fit.model for fit in of_set.fits if not fit.file("scores").exists()} == {"c_cca"}


def test_models_without_the_one_that_all_are_compared_with_are_refused() -> None:
    with pytest.raises(ParamsError, match="models: cca, c_cca; expected dual_subspace too"):
        lines.check_models({"cca": "a", "c_cca": "b"})


def test_a_model_alone_has_a_row_and_nothing_to_be_ahead_of(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    todo = lines.searches(Path("work/sets/tiny.safetensors"), SECTIONS, BUDGET, Path("work"))
    of_models = lines.set_lines(todo, SEEDS, Path("work")).models
    alone = next(line for line in of_models if (line.form, line.name) == ("shipped", "dual_subspace"))
    [row] = tables.rows([alone], alone)
    assert row.map == pytest.approx(scores("dual_subspace", finished, SEEDS).mean())
    assert row.lead is None
