"""The command `avr results`: the numbers of files that the tests write, in both forms, and the curves' points."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from scipy import stats
from typer.testing import CliRunner, Result

from pipeline.errors import DataError, ParamsError
from pipeline.evaluate.metrics_json import of_model
from pipeline.evaluate.model_metrics import measure, model_metrics
from pipeline.evaluate.plot_tables import metric_rows
from pipeline.evaluate.runs import run_of_file
from pipeline.evaluate.writing import write_csv, write_json
from pipeline.paper.__main__ import app
from pipeline.paper.curves import precision_scopes
from pipeline.paper.forms import LATEX_MARKS, latex_text, markdown_text
from tests.evaluate.test_model_metrics import PARAMS, make, own

GROUPS = {"n_groups": 12, "n_effective": 10.0, "n_sounds": 30, "n_pictures": 12, "n_sources": 0}
DATASET = {"name": "50% of_A&B", "n_test": 40, "n_test_classes": 4, "n_queries": 40, "query_groups": GROUPS}
MODELS = {
    "my_model": {
        "audio_to_visual": {"map": 0.512345},
        "visual_to_audio": {"map": 0.6},
        "average": {"map": 0.556173, "map_margin": 0.0456, "map_within_std": 0.02},
    },
    "a|b {x}": {
        "audio_to_visual": {"map": 0.1},
        "visual_to_audio": {"map": 0.2},
        "average": {"map": 0.15, "map_within_std": 0.01},
    },
}
ERRORS = {"audio_to_visual": 0.03, "visual_to_audio": 0.04, "average": 0.02}
T = stats.t.ppf(0.975, 11)


def write_run(folder: Path, *, tables: bool = True, **dataset: Any) -> Path:  # noqa: ANN401 - what metrics.json holds
    """A run whose directions have standard errors in plots/ alone, as the stage `evaluate` writes them."""
    report = {"dataset": DATASET | dataset, "models": MODELS, "chance": {"map": 0.2345, "precision": 0.25}}
    (folder / "metrics.json").write_text(json.dumps(report))
    if tables:
        (folder / "plots/precision_scope").mkdir(parents=True)
        rows = [f"{name},{way},{of[way]['map']},{ERRORS[way]}" for name, of in MODELS.items() for way in ERRORS]
        text = "\n".join(["model,direction,map,map_within_std", *rows, "my_model,audio_to_audio,0.9,0.01"])
        (folder / "plots/metrics.csv").write_text(text + "\n")
        for name in MODELS:
            curve = "scope,audio_to_visual,visual_to_audio\n1,0.75,0.5\n10,0.25,0.125\n"
            (folder / "plots/precision_scope" / f"{name}.csv").write_text(curve)
    return folder


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def results(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def cells(line: str) -> list[str]:
    """The cells of a line of either form; a sign that is escaped parts none."""
    parts = re.split(r"(?<!\\)[|&]", line.replace(r"\\", ""))
    return [part.strip() for part in parts if part.strip()]


def test_markdown_has_the_numbers_of_both_files_with_the_interval_by_student(tmp_path: Path) -> None:
    lines = results(write_run(tmp_path)).stdout.splitlines()
    first, other, chance = (cells(line) for line in lines[2:5])
    assert first == [
        r"my\_model",
        f"0.512 ± {T * 0.03:.3f}",
        f"0.600 ± {T * 0.04:.3f}",
        f"0.556 ± {T * 0.02:.3f}",
        "0.046",
    ]
    assert other[0] == r"a\|b \{x\}"
    assert other[3:] == [f"0.150 ± {T * 0.01:.3f}", "-"]
    assert chance == ["chance", "0.234", "0.234", "0.234", "-"]
    assert {len(cells(line)) for line in lines[:5]} == {5}


def test_the_caption_says_data_set_clips_groups_and_what_the_interval_is(tmp_path: Path) -> None:
    for form, name, level in (("markdown", r"50% of\_A\&B", "95 %"), ("latex", r"50\% of\_A\&B", r"95\,\%")):
        text = results(write_run(made(tmp_path / form)), "--table", form).stdout
        assert name in text
        assert "40 test clips of 4 classes, each a query once each way, in 12 groups" in text
        assert f"half the width of the {level} interval over these groups" in text
        assert "Student's t of 11 degrees of freedom" in text


def test_latex_is_one_table_of_booktabs_with_equally_many_cells_a_line(tmp_path: Path) -> None:
    text = results(write_run(tmp_path), "--table", "latex").stdout
    begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", text) for word in ("begin", "end"))
    assert begun == ended[::-1] == ["table", "tabular"]
    columns = re.search(r"\\begin{tabular}{(\w+)}", text)
    assert columns
    assert columns[1] == "lrrrr"
    rules = [re.search(rf"^ +\\{rule}$", text, re.MULTILINE) for rule in ("toprule", "midrule", "bottomrule")]
    assert all(rules)
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [len(cells(line)) for line in lines] == [5, 5, 5, 5]
    assert cells(lines[1])[1] == f"$0.512 \\pm {T * 0.03:.3f}$"
    assert cells(lines[2])[0] == r"a\textbar{}b \{x\}"
    plain = re.sub(r"\\[{}$&#%_]", "", text)
    assert plain.count("{") == plain.count("}")
    assert all(line.count("$") % 2 == 0 for line in plain.splitlines())
    commands = set(re.findall(r"\\([a-z]+)", plain))
    kernel = {"begin", "end", "centering", "caption", "label", "to", "pm", "textbar"}
    assert commands - {"usepackage"} == kernel | {"toprule", "midrule", "bottomrule"}


def test_every_sign_that_latex_obeys_is_escaped_and_letters_stay() -> None:
    assert latex_text(r"\{}$&#^_%~") == (r"\textbackslash{}\{\}\$\&\#\textasciicircum{}\_\%\textasciitilde{}")
    assert set(r"\{}$&#^_%~<>|`") <= LATEX_MARKS.keys()
    assert latex_text("a---b") == "a-{}-{}-b"
    assert latex_text("été--1 Ω\n") == "été-{}-1 Ω" + r"\textbackslash{}n"
    assert markdown_text("a_b | <c> & *d*\n") == r"a\_b \| \<c\> \& \*d\*\\n"


def test_without_tables_the_average_alone_has_an_interval_and_the_caption_says_so(tmp_path: Path) -> None:
    for name, told in (("alone", True), ("all", False)):
        (tmp_path / name).mkdir()
        text = results(write_run(tmp_path / name, tables=not told)).stdout
        line = cells(text.splitlines()[2])
        assert (line[1] == "0.512") == told
        assert line[3] == f"0.556 ± {T * 0.02:.3f}"
        assert ("those of the two directions are not at hand" in text) == told


def test_the_tables_of_the_stage_are_read(tmp_path: Path) -> None:
    embeddings = make()
    measured = measure(embeddings, PARAMS)
    metrics = {"main": model_metrics(measured, own(embeddings))}
    groups = {"n_groups": len(embeddings.labels), "n_sources": 0}
    facts = DATASET | {"query_groups": groups}
    write_json(
        tmp_path / "metrics.json",
        {"dataset": facts, "models": {"main": of_model(metrics["main"])}, "chance": {"map": 0.2}},
    )
    write_csv(tmp_path / "plots/metrics.csv", metric_rows(metrics))
    one = cells(results(tmp_path).stdout.splitlines()[2])
    error = metrics["main"]["audio_to_visual"]["map_within_std"]
    margin = stats.t.ppf(0.975, len(embeddings.labels) - 1) * error
    assert one[1] == f"{metrics['main']['audio_to_visual']['map']:.3f} ± {margin:.3f}"


def test_one_group_has_no_interval(tmp_path: Path) -> None:
    one = {"n_groups": 1, "n_sounds": 1, "n_pictures": 3, "n_sources": 1}
    text = results(write_run(tmp_path, query_groups=one)).stdout
    assert cells(text.splitlines()[2])[1:4] == ["0.512", "0.600", "0.556"]
    assert "there is no interval over test clips" in text
    assert "All queries have one source: no interval covers others." in text
    assert "one picture" not in text


def test_drawn_queries_are_told(tmp_path: Path) -> None:
    assert "40 test clips of 4 classes, 30 drawn as queries," in results(write_run(tmp_path, n_queries=30)).stdout


def test_the_table_goes_into_a_file_where_one_is_named(tmp_path: Path) -> None:
    said = results(write_run(tmp_path), "--table", "latex", "--out", tmp_path / "table.tex")
    assert said.stdout == ""
    assert (tmp_path / "table.tex").read_text() == results(tmp_path, "--table", "latex").stdout


def test_one_file_for_the_table_and_the_curves_is_refused(tmp_path: Path) -> None:
    said = results(write_run(tmp_path), "--out", tmp_path / "both.svg", "--curves", tmp_path / "both.svg")
    assert isinstance(said.exception, ParamsError)
    assert "both.svg; expected two files" in str(said.exception)
    assert not (tmp_path / "both.svg").exists()


def test_tables_of_another_run_are_refused(tmp_path: Path) -> None:
    table = write_run(tmp_path) / "plots/metrics.csv"
    table.write_text(table.read_text().replace("0.512345", "0.4"))
    with pytest.raises(DataError, match=r"my_model audio_to_visual has a MAP of 0.4, metrics.json a MAP of 0.512345"):
        results_raising(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("my_model,audio_to_visual", "other,audio_to_visual", "my_model audio_to_visual has no row, metrics.json"),
        ("model,direction", "name,direction", "no 'model' in it; expected the table that the stage `evaluate` wrote"),
        ("0.03", "much", "could not convert string to float: 'much'; expected the table that the stage"),
    ],
)
def test_a_table_that_is_none_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    table = write_run(tmp_path) / "plots/metrics.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=rf"plots/metrics.csv: {message}"):
        results_raising(tmp_path)


def test_a_table_without_errors_is_told_as_none_at_all(tmp_path: Path) -> None:
    table = write_run(tmp_path) / "plots/metrics.csv"
    table.write_text("".join(line.rpartition(",")[0] + "\n" for line in table.read_text().splitlines()))
    text = results(tmp_path).stdout
    assert cells(text.splitlines()[2])[1] == "0.512"
    assert "those of the two directions are not at hand" in text


def test_an_average_without_its_error_is_refused_where_there_are_groups(tmp_path: Path) -> None:
    file = write_run(tmp_path) / "metrics.json"
    file.write_text(file.read_text().replace("map_within_std", "another"))
    with pytest.raises(DataError, match=r"'map_within_std'.*; expected the metrics.json of version 0.2 or later"):
        results_raising(tmp_path)


def test_a_file_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path)
    report = json.loads((tmp_path / "metrics.json").read_text())
    del report["dataset"]["query_groups"]
    (tmp_path / "metrics.json").write_text(json.dumps(report))
    with pytest.raises(DataError, match=r"query_groups.*; expected the metrics.json of version 0.2 or later"):
        results_raising(tmp_path)


def test_another_form_is_refused(tmp_path: Path) -> None:
    refused = results(write_run(tmp_path), "--table", "html")
    assert refused.exit_code == 2
    assert "'html' is not one of 'markdown', 'latex'" in refused.output


def test_curves_have_the_points_of_the_tables_one_line_a_model_in_each_panel(tmp_path: Path) -> None:
    run = run_of_file(write_run(tmp_path) / "metrics.json")
    points = {"audio_to_visual": [(1, 0.75), (10, 0.25)], "visual_to_audio": [(1, 0.5), (10, 0.125)]}
    assert precision_scopes(run) == {way: dict.fromkeys(MODELS, curve) for way, curve in points.items()}
    picture = tmp_path / "curves.svg"
    assert results(tmp_path, "--curves", picture).exit_code == 0
    drawn = picture.read_bytes()
    text = drawn.decode()
    for word in ("audio to visual", "visual to audio", "precision", "my_model", "a|b {x}", "chance"):
        assert f">{word}<" in text
    assert text.count(">scope K<") == 2
    results(tmp_path, "--curves", picture)
    assert picture.read_bytes() == drawn


@pytest.mark.parametrize(("suffix", "begin"), [("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_curves_are_drawn_in_other_forms(suffix: str, begin: bytes, tmp_path: Path) -> None:
    results(write_run(tmp_path), "--curves", tmp_path / f"curves.{suffix}")
    assert (tmp_path / f"curves.{suffix}").read_bytes().startswith(begin)


def test_curves_without_their_table_or_in_an_unknown_form_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    write_run(tmp_path)
    with pytest.raises(DataError, match=r"curves as '.gif': no such form; expected a name that ends in .svg, .pdf"):
        results_raising(tmp_path, "--curves", tmp_path / "curves.gif", "--out", tmp_path / "table.md")
    curve = tmp_path / "plots/precision_scope/my_model.csv"
    head, *points = curve.read_text().splitlines()
    for text, message in ((head, "my_model: no row"), ("\n".join([head, "x,1,1", *points]), "to float: 'x'")):
        curve.write_text(text + "\n")
        with pytest.raises(DataError, match=message):
            results_raising(tmp_path, "--curves", tmp_path / "curves.svg")
    curve.unlink()
    with pytest.raises(DataError, match=r"plots/precision_scope/my_model.csv: No such file"):
        results_raising(tmp_path, "--curves", tmp_path / "curves.svg", "--out", tmp_path / "table.md")
    assert not (tmp_path / "table.md").exists()


def results_raising(*words: object) -> None:
    """Run the command; its error comes through."""
    CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
