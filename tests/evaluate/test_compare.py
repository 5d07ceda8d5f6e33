"""The command `avr compare`: models, classes and queries of two runs, as text, Markdown and JSON."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from pipeline.evaluate import results
from pipeline.evaluate.compare import app
from pipeline.evaluate.model_metrics import measure, model_metrics
from pipeline.evaluate.writing import write_csv, write_json
from pipeline.formats.embeddings import Embeddings
from tests.evaluate.test_model_metrics import PARAMS, own
from tests.helpers.project import ROOT
from tests.helpers.stub_run import StubRun

IDS = [f"clip {i}" for i in range(30)]
CLASSES = ("cat", "dog", "owl")


def write_run(
    folder: Path, noise: float, ids: Sequence[str] = IDS, classes: Sequence[str] = CLASSES, model: str = "main"
) -> Embeddings:
    """A run of one model with real tables, its videos moved away from their sounds by some noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    centres = np.eye(3, 5)[labels] + 0.2 * rng.normal(size=(2, 30, 5))
    made = Embeddings(centres, centres + noise * rng.normal(size=(2, 30, 5)), labels, list(classes))
    measured = measure(made, PARAMS)
    metrics = {model: model_metrics(measured, own(made))}
    dataset = {"name": "x", "n_test": 30, "n_test_classes": 3, "n_queries": 30}
    write_json(folder_of(folder) / "metrics.json", {"dataset": dataset, "models": metrics, "chance": {"map": 0.3}})
    write_csv(folder / "plots/queries" / f"{model}.csv", results.plot_tables.query_rows(ids, measured))
    write_csv(folder / "plots/class_map" / f"{model}.csv", results.plot_tables.class_map_rows(made, measured))
    return made


def folder_of(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def compare(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def right_queries(made: Embeddings) -> set[tuple[str, str]]:
    """The queries whose nearest item has their class in both seeds, by a plain matrix product."""
    found = set()
    for way, queries, galleries in (
        ("audio_to_visual", made.audio, made.visual),
        ("visual_to_audio", made.visual, made.audio),
    ):
        unit = [rows / np.linalg.norm(rows, axis=2, keepdims=True) for rows in (queries, galleries)]
        nearest = (unit[0] @ unit[1].transpose(0, 2, 1)).argmax(axis=2)  # (2, 30)
        right = (made.labels[nearest] == made.labels).all(axis=0)
        found |= {(IDS[row], way) for row in np.flatnonzero(right).tolist()}
    return found


def test_the_queries_that_changed_are_those_of_a_matrix_product(tmp_path: Path) -> None:
    before, after = write_run(tmp_path / "a", 0.3), write_run(tmp_path / "b", 0.8)
    was, now = right_queries(before), right_queries(after)
    found = json.loads(compare(tmp_path / "a", tmp_path / "b", "--json").stdout)
    wrong, right = found["became_wrong"], found["became_right"]
    assert {(row["clip_id"], row["direction"]) for row in wrong} == was - now != set()
    assert {(row["clip_id"], row["direction"]) for row in right} == now - was
    losses = [row["after"] - row["before"] for row in wrong]
    assert losses == sorted(losses)
    assert found["n_queries"] == 60
    back = json.loads(compare(tmp_path / "b", tmp_path / "a", "--json").stdout)
    assert {row["clip_id"] for row in back["became_right"]} == {row["clip_id"] for row in wrong}


def test_models_and_classes_have_the_numbers_of_both_runs(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.3)
    write_run(tmp_path / "b", 0.8)
    found = json.loads(compare(tmp_path / "a/metrics.json", tmp_path / "b", "--json").stdout)
    maps = [json.loads((tmp_path / name / "metrics.json").read_text())["models"]["main"] for name in "ab"]
    row = found["models"]["main"]
    assert (row["before"], row["after"]) == tuple(of["average"]["map"] for of in maps)
    assert 0 < row["p"] < 0.05
    assert {of["label"] for of in found["classes"]} == set(CLASSES)
    mean = np.mean([of["before"] for of in found["classes"]])  # the classes are of one size
    assert mean == pytest.approx(row["before"], abs=1e-5)
    changes = [of["after"] - of["before"] for of in found["classes"]]
    assert changes == sorted(changes)
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "pipeline",
            "check",
            tmp_path / "b/metrics.json",
            "--against",
            tmp_path / "a/metrics.json",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert checked.splitlines()[2].split(" | ")[4] == f"{row['p']:#.2g}"


def test_the_text_stands_in_columns_and_long_lists_are_cut(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.3)
    write_run(tmp_path / "b", 1.5)
    lines = compare(tmp_path / "a", tmp_path / "b", "--top", "2").stdout.splitlines()
    at = lines.index(next(line for line in lines if line.startswith("Right before, wrong after")))
    assert lines[at].endswith("of 60 queries, main")
    table = lines[at + 1 : at + 4]
    assert len({len(line) for line in table}) == 1
    assert table[0].split() == ["query", "direction", "AP", "before", "after", "change"]
    assert lines[at + 4] == "  The first 2; --top or --json shows all."


def test_equal_runs_have_no_changes(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.3)
    text = compare(tmp_path / "a", tmp_path / "a").stdout
    assert "MAP of the classes, main: 0 of 3 changed" in text
    assert "Right before, wrong after: 0 of 60 queries, main" in text
    assert "+0.0000" in text
    assert "-0.0000" not in text


def test_hostile_names_mean_nothing_to_markdown_or_a_terminal(tmp_path: Path) -> None:
    ids = ["<script>alert(1)</script>", "a|b", "[x](http://y)", "\x1b[31mred", *IDS[4:]]
    classes = ("*bold* & <b>", "+1<img src=x>", "a`b`")
    write_run(tmp_path / "a", 0.1, ids, classes)
    write_run(tmp_path / "b", 9.0, ids, classes)
    markdown = compare(tmp_path / "a", tmp_path / "b", "--markdown", "--top", 99).stdout
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    plain = markdown.replace("\\\\", "")
    assert "\x1b" not in markdown
    for sign in "<>[]`&":
        assert plain.count(sign) == plain.count(f"\\{sign}") > 0
    assert {line.replace("\\|", "").count("|") for line in tables} <= {5, 6}
    assert "\x1b" not in compare(tmp_path / "a", tmp_path / "b", "--top", 99).stdout


def test_runs_of_other_classes_and_clips_are_compared_where_they_agree(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.3)
    write_run(tmp_path / "b", 0.3, ["new", *IDS[1:]], ("cat", "dog", "wolf"))
    found = json.loads(compare(tmp_path / "a", tmp_path / "b", "--json").stdout)
    assert found["n_queries"] == 58
    assert [(of["label"], of["before"] is None, of["after"] is None) for of in found["classes"][2:]] == [
        ("owl", False, True),
        ("wolf", True, False),
    ]
    assert found["models"]["main"]["p"] is None
    assert any("queries are of one run only" in note for note in found["notes"])


def test_without_the_tables_the_models_are_compared_and_a_note_says_so(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.3)
    write_run(tmp_path / "b", 0.3)
    (tmp_path / "a/plots/class_map/main.csv").write_text("class,audio_to_visual\ncat,high\n")
    result = compare(tmp_path / "a", tmp_path / "b")
    assert result.exit_code == 0
    assert "No classes and queries: " in result.stdout
    assert "plots/class_map/main.csv: " in result.stdout
    assert "Right before" not in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "other"], "other: no model of both runs; expected one of main"),
        (["--markdown", "--json"], "--markdown and --json are two forms; expected one of them"),
    ],
)
def test_what_cannot_be_shown_is_said(words: list[str], message: str, tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.3)
    result = compare(tmp_path / "a", tmp_path / "a", *words)
    assert result.exit_code != 0
    assert message in " ".join(f"{result.stderr} {result.exception}".split())


def test_runs_without_a_common_model_and_folders_without_a_run_are_named(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.3)
    write_run(tmp_path / "b", 0.3, model="other")
    assert "no model in common; expected one that both have measured" in str(
        compare(tmp_path / "a", tmp_path / "b").exception
    )
    empty = str(compare(tmp_path, tmp_path / "b").exception)
    assert "metrics.json: No such file or directory; expected a metrics.json that the stage `evaluate` wrote" in empty


@pytest.mark.slow
def test_a_commit_and_an_experiment_are_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = StubRun(tmp_path)
    made.dvc("exp", "run", "-n", "half", "-S", "model.lambda_corr=0.5")
    monkeypatch.chdir(tmp_path)
    found = json.loads(compare("HEAD", "half", "--json").stdout)
    assert (found["before"], found["after"]) == ("HEAD", "half")
    assert found["models"]["dual_subspace"]["before"] != found["models"]["dual_subspace"]["after"]
    assert found["models"]["cca"] == {"before": (of := found["models"]["cca"]["before"]), "after": of, "p": 1.0}


def test_help_loads_no_heavy_library() -> None:
    heavy = ("numpy", "scipy", "dvc", "torch")
    code = f"import sys, pipeline.evaluate.compare; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
