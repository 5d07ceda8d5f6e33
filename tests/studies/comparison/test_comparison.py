import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import ParamsError
from pipeline.formats.feature_table import FeatureTable
from pipeline.linalg import cluster_cca
from pipeline.model_parts.base import Pairs, model_module
from pipeline.settings.params import load_params
from pipeline.tune.trials import Budget, read_trials
from studies.ablation import PRESETS
from studies.comparison import __main__ as results
from studies.comparison import code, fits, jobs, lines, sets, tables
from tests.helpers.project import ROOT

Rows = NDArray[np.floating]
SECTIONS = {"dual_subspace": "model", "cca": "baselines.cca", "c_cca": "baselines.c_cca"}
SHIPPED = "As shipped in params.yaml"
SEEDS = (0, 1)


def features(noise_in_test: bool = False) -> FeatureTable:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    centres = 0.8 * rng.standard_normal((3, 14))
    rows = (centres[labels] + rng.standard_normal((90, 14))).astype(np.float32)
    splits = [("train", "train", "validation", "test", "test")[i // 3 % 5] for i in range(90)]
    test = np.array(splits) == "test"
    if noise_in_test:
        rows[test] = rng.standard_normal((test.sum(), 14))
    return FeatureTable(
        clip_ids=[str(i) for i in range(90)],
        splits=splits,
        labels=labels,
        classes=list("abc"),
        audio=rows[:, :8],
        visual=rows[:, 8:],
        provenance={},
    )


def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["work", "tiny=features.safetensors", "--trials", "2", "--folds", "2", "--seeds", *map(str, SEEDS)]
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AVR_WORKERS", "1")
    monkeypatch.setattr(sys, "argv", ["results", *words])
    results.main()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the command ran."""
    folder = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["models"] = SECTIONS
    params["model"] |= {"epochs": 2, "hidden_width": 16, "explicit_width": 8, "implicit_width": 8}
    params["baselines"]["c_cca"] |= {"n_components": 2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    features().save(folder / "features.safetensors")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run(folder, monkeypatch)
    return folder


def cells(folder: Path, section: str, name: str) -> list[str]:
    """The cells of a line of the page, in the first table behind a heading."""
    text = (folder / "docs/results.md").read_text().split(f"# {section}\n", 1)[1]
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def average_precisions(audio: Rows, visual: Rows) -> NDArray[np.float64]:
    """Of the test rows, both ways, by scikit-learn: (2, n)."""
    labels = features().rows("test")[2]
    relevant = labels[:, None] == labels
    similarity = cosine_similarity(audio, visual)
    return np.array(
        [
            [average_precision_score(r, s) for r, s in zip(relevant, way, strict=True)]
            for way in (similarity, similarity.T)
        ]
    )


def fitted(name: str, folder: Path, seed: int) -> tuple[Rows, Rows]:
    """Test embeddings of a model with the params of the folder."""
    module = model_module(name)
    params = load_params(SECTIONS[name], module.Params, folder / "params.yaml")
    model = module.Model(params, seed)
    model.fit(Pairs(*features().rows("train")), Pairs(*features().rows("validation")))
    audio, visual, _ = features().rows("test")
    return model.embed_audio(audio), model.embed_visual(visual)


def scores(name: str, folder: Path, seeds: Sequence[int]) -> NDArray[np.float64]:
    """(n_seeds, 2, n)."""
    return np.stack([average_precisions(*fitted(name, folder, seed)) for seed in seeds])


def trial_table(work: Path, name: str) -> Path:
    """The table of a model's search."""
    [table] = (work / "tune/tiny").glob(f"*/{name}.csv")
    return table


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
    assert shown[7] == f"{np.mean(nearest):.3f}"


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
        assert cells(finished, SHIPPED, f"`{name}`")[8] == f"{100 * lead:+.1f}"


def test_p_values_are_those_of_a_paired_permutation_test_of_the_queries_times_holms_factors(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished)
    todo = lines.searches(Path("work/sets/tiny.safetensors"), SECTIONS, Budget(2, 2, 0), Path("work"))
    presets = [line for line in lines.set_lines(todo, SEEDS, Path("work")).presets if line.form == "shipped"]
    full, *others = [
        np.mean([tables.read(fit, "scores")[f"{way}.map"] for fit in line.fits for way in fits.DIRECTIONS], axis=0)
        for line in presets
    ]
    options = {"permutation_type": "samples", "n_resamples": 5000, "vectorized": True, "rng": 1}
    p_values = np.array([stats.permutation_test((full - other,), np.mean, **options).pvalue for other in others])
    highest = 0.0
    for number, i in enumerate(np.argsort(p_values)):
        highest = max(highest, min(1, p_values[i] * (len(others) - number)))
        shown = cells(finished, "What each part is worth", presets[i + 1].name)[2]
        assert float(shown.rstrip(")").split(", ")[1]) == pytest.approx(highest, abs=0.05)


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
    assert f"{said}({rivals[best][4]} on test); `dual_subspace` is {rivals[best][8]} points" in text


def test_the_validation_map_and_the_tuned_params_are_those_of_the_best_trial(finished: Path) -> None:
    trials = read_trials(trial_table(finished / "work", "dual_subspace"))
    best = max(trials, key=lambda trial: trial.validation_map)
    assert len(trials) == 2
    assert cells(finished, "Tuned", "`dual_subspace`")[1] == f"{best.validation_map:.3f}"
    assert (
        f"implicit_branch={best.params['implicit_branch']} "
        in cells(finished, "The tuned parameters", "`dual_subspace`")[2]
    )


def test_the_tables_of_all_trials_stand_beside_the_page(finished: Path) -> None:
    for name in SECTIONS:
        table = finished / "docs/results/trials/tiny" / f"{name}.csv"
        assert table.read_bytes() == trial_table(finished / "work", name).read_bytes()


def test_every_preset_has_a_line_and_one_that_changes_nothing_the_numbers_of_the_whole(finished: Path) -> None:
    lines = {name: cells(finished, "What each part is worth", name) for name in PRESETS}
    assert lines["no-fusion-cca"][2].startswith(lines["full"][2])  # the shipped model is fused by weight
    assert len({line[2] for line in lines.values()}) > len(PRESETS) / 2


def test_a_run_after_a_killed_one_computes_what_is_missing_alone_and_writes_the_same_page(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, page_before = modified(finished), page_bytes(finished)
    missing = sorted((finished / "work/scores").rglob("*.npz"))[::5]
    for file in missing:
        file.unlink()
    run(finished, monkeypatch)
    after = modified(finished)
    assert {path for path in after if after[path] != before[path]} == {str(path) for path in missing}
    assert f"score {len(missing)} of {len(missing)}" in capsys.readouterr().out
    assert page_bytes(finished) == page_before
    assert len(page_before) == 4 + len(SECTIONS)  # the page, three pictures, the trials


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
    todo = lines.searches(Path("work/sets/tiny.safetensors"), SECTIONS, Budget(2, 1, 0), work)
    missing = [job for job in todo if not (job.out / f"{job.model}.csv").exists()]
    assert [job.model for job in missing] == ["c_cca"]
    monkeypatch.setenv("AVR_WORKERS", "1")
    jobs.run(jobs.search, missing)
    of_set = lines.set_lines(todo, SEEDS, work)
    assert {fit.model for fit in of_set.fits if not fit.file("scores").exists()} == {"c_cca"}


def test_test_rows_play_no_part_in_the_search(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features(noise_in_test=True).save(tmp_path / "tiny.safetensors")
    monkeypatch.chdir(finished)
    monkeypatch.setenv("AVR_WORKERS", "1")
    todo = lines.searches(tmp_path / "tiny.safetensors", SECTIONS, Budget(2, 1, 0), tmp_path)
    jobs.run(jobs.search, todo)
    for name in SECTIONS:
        noisy, clean = (trial_table(work, name).read_text().splitlines() for work in (tmp_path, finished / "work"))
        assert noisy[1:] == clean[1:]  # the first line names the features


def test_published_features_keep_their_test_rows_and_give_the_same_bytes_twice(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished)
    of = features()
    is_train = (np.array(of.splits) != "test").astype(int)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        columns = {"audio_feat": of.audio, "visual_feat": of.visual, "Label_ID": of.labels, "Train_test": is_train}
        for key, values in columns.items():
            file[key] = values
    [source] = sets.parse([f"b={tmp_path / 'b.h5'}"])
    first = sets.prepare(source, tmp_path / "sets")
    was, made = first.read_bytes(), FeatureTable.load(first)
    assert sorted(made.rows("test")[0][:, 0]) == sorted(of.rows("test")[0][:, 0])
    assert {split: made.splits.count(split) for split in set(made.splits)} == {
        "train": 42,
        "validation": 12,
        "test": 36,
    }
    assert sets.prepare(source, tmp_path / "sets").read_bytes() == was


def test_models_without_the_one_that_all_are_compared_with_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="models: cca, c_cca; expected dual_subspace too"):
        lines.searches(tmp_path / "t.safetensors", {"cca": "a", "c_cca": "b"}, Budget(1, 1, 0), tmp_path)


def test_a_model_alone_has_a_row_and_nothing_to_be_ahead_of(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    todo = lines.searches(Path("work/sets/tiny.safetensors"), SECTIONS, Budget(2, 2, 0), Path("work"))
    of_models = lines.set_lines(todo, SEEDS, Path("work")).models
    alone = next(line for line in of_models if (line.form, line.name) == ("shipped", "dual_subspace"))
    [row] = tables.rows([alone], alone)
    assert row.map == pytest.approx(scores("dual_subspace", finished, SEEDS).mean())
    assert row.lead is None
