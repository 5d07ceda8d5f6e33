"""The command `avr check`: its table, its exit codes, and what it says of a run that it cannot look at."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import permutation_test
from typer.testing import CliRunner, Result

from pipeline.evaluate.check import app
from pipeline.evaluate.writing import write_csv, write_json
from pipeline.settings.params import model_sections
from tests.helpers.project import ROOT
from tests.helpers.stub_run import StubRun

WAYS = ("audio_to_visual", "visual_to_audio")
N = 30

Maps = Mapping[str, float]


def scores(level: float, seed: int) -> np.ndarray:
    """(2, N) average precisions whose mean is the level."""
    drawn = np.random.default_rng(seed).normal(0, 0.1, (2, N))
    return drawn - drawn.mean() + level


def write_run(folder: Path, maps: Maps, seed: int = 0, clips: str = "clip", tables: bool = True) -> Path:
    """A run whose models have these average MAPs."""
    folder.mkdir(parents=True, exist_ok=True)
    models = {}
    for name, level in maps.items():
        drawn = scores(level, seed)
        rows = [
            {"clip_id": f"{clips} {i}", "direction": way, "average_precision": drawn[k, i], "first_rank": 1}
            for k, way in enumerate(WAYS)
            for i in range(N)
        ]
        if tables:
            write_csv(folder / "plots" / "queries" / f"{name}.csv", rows)
        models[name] = {
            **{way: {"map": drawn[k].mean(), "mrr": 0.5} for k, way in enumerate(WAYS)},
            "average": {"map": level, "mrr": 0.5},
        }
    dataset = {"name": "demo", "n_test": N, "n_test_classes": 3, "n_queries": N}
    write_json(folder / "metrics.json", {"dataset": dataset, "models": models, "chance": {"map": 0.1}})
    return folder / "metrics.json"


def check(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def rows(result: Result) -> dict[str, list[str]]:
    """The table's cells by its first column."""
    lines = [line.strip("| ").split(" | ") for line in result.stdout.splitlines() if line.startswith("|")]
    assert lines[0] == ["metric", "before", "after", "change", "p", "verdict"]
    return {line[0]: line[1:] for line in lines[2:]}


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda name, maps, **how: write_run(tmp_path / name, maps, **how)


def test_a_run_that_keeps_every_limit_ends_with_0(make: Make) -> None:
    after, before = make("after", {"main": 0.70}), make("before", {"main": 0.71})
    result = check(after, "--min", "main.average.map=0.6", "--max-drop", "0.02", "--against", before)
    assert result.exit_code == 0
    assert rows(result)["main.average.map"] == [
        "0.7100",
        "0.7000",
        "-0.0100",
        rows(result)["main.average.map"][3],
        "ok",
    ]


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (["--min", "main.average.map=0.71"], "**below 0.71**"),
        (["--max-drop", "0.005", "--against"], "**dropped by more than 0.005**"),
        (["--max-change", "0.005", "--against"], "**differs by more than 0.005**"),
        (["--max-change", "main.average.map=0.005", "--against"], "**differs by more than 0.005**"),
        (
            ["--min", "main.average.map=0.71", "--max-drop", "0.005", "--against"],
            "**below 0.71, dropped by more than 0.005**",
        ),
    ],
)
def test_a_limit_that_is_not_kept_ends_with_1_and_is_named(make: Make, words: list[str], verdict: str) -> None:
    after, before = make("after", {"main": 0.70}), make("before", {"main": 0.71})
    result = check(after, *words, *([before] if words[-1] == "--against" else []))
    assert result.exit_code == 1
    assert rows(result)["main.average.map"][-1] == verdict


@pytest.mark.parametrize(("limit", "code"), [("0.02", 0), ("0.019999", 1)])
def test_a_drop_by_as_much_as_is_allowed_passes(make: Make, limit: str, code: int) -> None:
    after, before = make("after", {"main": 0.68}), make("before", {"main": 0.70})
    assert check(after, "--max-drop", limit, "--against", before).exit_code == code


def test_a_rise_is_no_drop_but_a_change(make: Make) -> None:
    after, before = make("after", {"main": 0.8}), make("before", {"main": 0.7})
    assert check(after, "--max-drop", "0.02", "--against", before).exit_code == 0
    assert check(after, "--max-change", "0.02", "--against", before).exit_code == 1


def test_without_a_minimum_every_model_is_looked_at_and_one_may_change_more_than_the_others(make: Make) -> None:
    after, before = make("after", {"main": 0.7, "wild": 0.5}), make("before", {"main": 0.7, "wild": 0.45})
    words = ["--max-change", "0.001", "--against", before]
    assert list(rows(check(after, *words))) == ["main.average.map", "wild.average.map"]
    assert check(after, *words).exit_code == 1
    assert check(after, *words, "--max-change", "wild.average.map=0.1").exit_code == 0


def test_a_minimum_may_be_of_any_number_of_metrics_json(make: Make) -> None:
    after = make("after", {"main": 0.7})
    words = ["--min", "main.average.mrr=0.5", "--min", "main.audio_to_visual.map=0.99"]
    result = check(after, *words)
    assert list(rows(result)) == ["main.average.mrr", "main.audio_to_visual.map"]
    assert [cells[-1] for cells in rows(result).values()] == ["ok", "**below 0.99**"]


def test_a_number_that_is_nan_passes_nothing(make: Make) -> None:
    after, before = make("after", {"main": 0.7}), make("before", {"main": 0.7})
    report = json.loads(after.read_text())
    report["models"]["main"]["average"]["map"] = float("nan")
    after.write_text(json.dumps(report))
    for words in ([], ["--min", "main.average.map=0.1"], ["--max-drop", "1", "--against", before]):
        assert check(after, *words).exit_code == 1


def test_the_p_value_is_that_of_scipy_s_paired_test_over_the_clips(make: Make) -> None:
    after, before = make("after", {"main": 0.70}, seed=1), make("before", {"main": 0.66}, seed=2)
    result = check(after, "--against", before)
    exact = permutation_test(
        ((scores(0.70, 1) - scores(0.66, 2)).mean(axis=0),),
        np.mean,
        permutation_type="samples",
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    )
    assert float(rows(result)["main.average.map"][3]) == pytest.approx(exact.pvalue, abs=0.02)
    assert "p: paired permutation test of the MAP over 30 test clips, corrected by Holm's procedure" in result.stdout


def test_p_values_of_several_models_are_corrected_for_their_number(make: Make) -> None:
    one = rows(check(make("a", {"m": 0.70}, seed=1), "--against", make("b", {"m": 0.64}, seed=2)))["m.average.map"]
    after = make("c", dict.fromkeys("mno", 0.70), seed=1)
    result = check(after, "--against", make("d", dict.fromkeys("mno", 0.64), seed=2))
    for cells in rows(result).values():
        assert float(cells[3]) == pytest.approx(min(1, 3 * float(one[3])), rel=0.05)


def test_a_model_whose_every_score_is_as_before_makes_no_other_one_s_p_value_larger(make: Make) -> None:
    alone = rows(check(make("a", {"m": 0.70}, seed=1), "--against", make("b", {"m": 0.64}, seed=2)))["m.average.map"]
    after, before = make("c", {"m": 0.70}, seed=1), make("d", {"m": 0.64}, seed=2)
    for path in (after, before):
        report = json.loads(path.read_text())
        report["models"]["same"] = report["models"]["m"]
        path.write_text(json.dumps(report))
        (path.parent / "plots/queries/same.csv").write_text((after.parent / "plots/queries/m.csv").read_text())
    both = rows(check(after, "--against", before))
    assert both["m.average.map"] == alone
    assert both["same.average.map"][3] == "1.0"


def test_a_number_that_is_no_map_has_no_test(make: Make) -> None:
    after, before = make("after", {"main": 0.7}), make("before", {"main": 0.7})
    result = check(after, "--min", "main.average.mrr=0.4", "--against", before)
    assert rows(result)["main.average.mrr"][3] == "-"


def test_runs_of_other_test_clips_are_compared_without_a_test_and_with_a_word(make: Make) -> None:
    after, before = make("after", {"main": 0.7}), make("before", {"main": 0.71}, clips="other")
    result = check(after, "--max-drop", "0.02", "--against", before)
    assert result.exit_code == 0
    assert rows(result)["main.average.map"][3] == "-"
    assert "No paired test: 120 queries are of one run only; expected the same test clips in both." in result.stdout


def test_a_run_on_another_data_set_is_said_to_be_one(make: Make) -> None:
    after, before = make("after", {"main": 0.7}), make("before", {"main": 0.7})
    report = json.loads(before.read_text())
    report["dataset"] |= {"name": "VEGAS", "n_test": 5000}
    before.write_text(json.dumps(report))
    result = check(after, "--against", before)
    assert "Warning: another test set: name VEGAS before, demo after; n_test 5000 before, 30 after." in result.stdout


def test_without_the_table_of_queries_the_numbers_are_compared_alone(make: Make) -> None:
    after, before = make("after", {"main": 0.7}), make("before", {"main": 0.7}, tables=False)
    result = check(after, "--against", before)
    assert result.exit_code == 0
    assert "No paired test: " in result.stdout
    assert "plots/queries/main.csv: No such file or directory" in result.stdout


def test_a_new_model_has_no_number_before_and_a_lost_one_is_named(make: Make) -> None:
    after, before = make("after", {"main": 0.7, "new": 0.5}), make("before", {"main": 0.7, "lost": 0.5})
    result = check(after, "--min", "main.average.map=0.6", "--against", before)
    assert result.exit_code == 0
    assert "Warning: not measured any more: lost." in result.stdout
    result = check(after, "--max-drop", "0.01", "--against", before)
    assert result.exit_code == 1
    assert rows(result)["new.average.map"][:3] == ["-", "0.5000", "-"]
    assert rows(result)["lost.average.map"] == ["0.5000", "-", "-", "-", "**not measured any more**"]


def test_a_largest_drop_is_meant_for_every_model_whatever_minimum_is_named(make: Make) -> None:
    after, before = make("after", {"main": 0.7, "other": 0.1}), make("before", {"main": 0.7, "other": 0.7})
    words = ["--min", "main.average.map=0.6", "--against", before]
    assert check(after, *words).exit_code == 0
    result = check(after, *words, "--max-drop", "0.02")
    assert result.exit_code == 1
    assert rows(result)["other.average.map"][-1] == "**dropped by more than 0.02**"


@pytest.mark.parametrize("models", [{}, {"main": {"average": {"map": True}}}, {"main": {"average": {"map": "0.7"}}}])
def test_a_file_without_numbers_of_models_cannot_be_looked_at(models: object, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"models": models}))
    result = check(tmp_path / "metrics.json")
    assert result.exit_code == 2
    assert "expected a metrics.json that the stage `evaluate` wrote" in result.stderr


def test_the_table_is_closed_by_an_empty_line_so_that_markdown_ends_it(make: Make) -> None:
    after, before = make("after", {"main": 0.7}), make("before", {"main": 0.7})
    blocks = check(after, "--against", before).stdout.split("\n\n")
    assert all(line.startswith("|") for line in blocks[0].splitlines())
    assert not any(line.startswith("|") for block in blocks[1:] for line in block.splitlines())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("main.average.map", "--min 'main.average.map'; expected MODEL.DIRECTION.METRIC=NUMBER, such as"),
        ("0.6", "--min '0.6'; expected MODEL"),
        ("main.map=0.6", "--min 'main.map=0.6'; expected MODEL"),
        ("main.average.map=high", "--min 'main.average.map=high'; expected MODEL"),
        ("main.average.map=nan", "--min 'main.average.map=nan'; expected MODEL"),
    ],
)
def test_a_limit_that_cannot_be_read_is_a_wrong_usage(make: Make, text: str, problem: str) -> None:
    result = check(make("after", {"main": 0.7}), "--min", text)
    assert result.exit_code == 2
    assert problem in " ".join(result.stderr.split())
    assert result.stdout == ""


@pytest.mark.parametrize("words", [["--max-drop", "0.1"], ["--max-change", "0.1"]])
def test_a_limit_between_two_runs_needs_another_run(make: Make, words: list[str]) -> None:
    result = check(make("after", {"main": 0.7}), *words)
    assert result.exit_code == 2
    assert "compare with another run; expected --against too" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("man.average.map", "no model 'man'; expected one of main, other"),
        ("main.both.map", "no direction 'both'; expected one of audio_to_visual, visual_to_audio, average"),
        ("main.average.auc", "no metric 'auc'; expected one of map, mrr"),
    ],
)
def test_a_number_that_is_not_there_is_named_with_those_that_are(make: Make, key: str, problem: str) -> None:
    result = check(make("after", {"main": 0.7, "other": 0.6}), "--min", f"{key}=0.5")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("check: DataError: ")
    assert f"{key}: {problem}" in result.stderr


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"models": 3}', '{"models": {"a": {}}}', '{"models": {"a": {"average": {"map": "x"}}}}']
)
def test_a_file_that_is_no_metrics_json_is_named(make: Make, tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    after = make("after", {"main": 0.7})
    for words in ([tmp_path / "other.json"], [after, "--against", tmp_path / "other.json"]):
        result = check(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "other.json: " in result.stderr
        assert "expected a metrics.json that the stage `evaluate` wrote" in result.stderr


def test_a_missing_metrics_json_is_named(tmp_path: Path) -> None:
    result = check(tmp_path / "metrics.json")
    assert result.exit_code == 2
    assert "metrics.json: No such file or directory; expected a metrics.json" in result.stderr


def test_outside_of_a_repository_there_is_no_revision(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    after = make("after", {"main": 0.7})
    monkeypatch.chdir(after.parent)
    result = check("metrics.json", "--against", "HEAD")
    assert result.exit_code == 2
    assert "HEAD: " in result.stderr
    assert "expected a file, or a commit, branch, tag or experiment of this repository" in result.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> StubRun:
    """A committed run, and an experiment behind it."""
    made = StubRun(tmp_path_factory.mktemp("run"))
    made.dvc("exp", "run", "-n", "half", "-S", "model.lambda_corr=0.5")
    return made


def test_a_commit_and_an_experiment_are_compared_query_by_query_from_the_cache(
    repository: StubRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.folder)
    before = json.loads(repository.run("git", "show", "HEAD:metrics.json"))["models"]["dual_subspace"]["average"]["map"]
    result = check("--against", "HEAD", "--max-change", "0.9")
    cells = rows(result)["dual_subspace.average.map"]
    assert (result.exit_code, cells[0]) == (0, f"{before:.4f}")
    assert 0 < float(cells[3]) < 1
    assert rows(result)["cca.average.map"][2:4] == ["+0.0000", "1.0"]
    assert "over 20 test clips, corrected" in result.stdout
    assert rows(check("--against", "half"))["dual_subspace.average.map"][2] == "+0.0000"


def test_a_revision_that_is_not_there_is_named(repository: StubRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository.folder)
    result = check("metrics.json", "--against", "v9")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "v9: unknown Git revision 'v9'; expected a file, or a commit" in result.stderr


def test_tables_that_the_cache_has_lost_leave_the_numbers(repository: StubRun, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    repository.run("git", "clone", "-q", str(repository.folder), str(clone))
    (clone / "metrics.json").write_text((repository.folder / "metrics.json").read_text())
    words = [sys.executable, "-m", "pipeline.evaluate.check", "metrics.json", "--against", "HEAD"]
    done = subprocess.run(words, cwd=clone, env=repository.env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "| dual_subspace.average.map | " in done.stdout
    assert "No paired test: HEAD: plots/queries/dual_subspace.csv: it is not in DVC's cache; `dvc fetch`" in done.stdout


def test_help_loads_no_heavy_library() -> None:
    heavy = ("numpy", "scipy", "dvc", "torch")
    code = f"import sys, pipeline.evaluate.check; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_make_check_metrics_has_the_bounds_that_the_docs_state() -> None:
    page = (ROOT / "docs" / "evaluate.md").read_text().partition("## Another machine")[2].partition("\n\nMeasured")[0]
    table = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    stated = {name: float(bound) for names, _, bound in table for name in re.findall(r"`(\w+)`", names)}
    command = subprocess.run(
        ["make", "-n", "check-metrics"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    words = command.replace("\\\n", " ").split()
    bounds = [words[at + 1] for at, word in enumerate(words) if word == "--max-change"]
    general = next(float(bound) for bound in bounds if "=" not in bound)
    own = {bound.partition(".")[0]: float(bound.rpartition("=")[2]) for bound in bounds if "=" in bound}
    assert stated == {name: own.get(name, general) for name in model_sections(ROOT / "params.yaml")}
    assert all(float(largest.split()[-1]) < float(bound) for _, largest, bound in table)
