"""The command `avr check`: its table, its limits and its exit codes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import permutation_test

from pipeline.settings.params import model_sections
from tests.helpers.checked_runs import Make, check, rows, scores, write_run
from tests.helpers.project import ROOT


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
    assert "p: paired permutation test of the MAP over 30 test clips one by one, as neither run" in result.stdout


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


def test_the_table_is_closed_by_an_empty_line_so_that_markdown_ends_it(make: Make) -> None:
    after, before = make("after", {"main": 0.7}), make("before", {"main": 0.7})
    blocks = check(after, "--against", before).stdout.split("\n\n")
    assert all(line.startswith("|") for line in blocks[0].splitlines())
    assert not any(line.startswith("|") for block in blocks[1:] for line in block.splitlines())


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
