"""The page about a run, read as a browser reads it: by a parser of HTML."""

import base64
import copy
import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from pipeline.errors import DataError
from pipeline.formats.rejects import Reject
from pipeline.report.inputs import Places, read_inputs
from pipeline.report.page import warnings
from tests.helpers.project import ROOT
from tests.helpers.report_run import CLASSES, HOSTILE, SMALL, Run

WAYS = ("audio_to_visual", "visual_to_audio")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"), {"main": 1.0, "better": 0.5, "noise": 50.0})


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of one model, with labels and rejects that look like HTML."""
    refused = [Reject(f"bad {i:02}", "logmel", "truncated" if i % 2 else "no_audio", "broken") for i in range(59)]
    refused.append(Reject(HOSTILE[0], "frames", "not_media", HOSTILE[1]))
    return Run(tmp_path_factory.mktemp("odd"), {"main": 0.5}, HOSTILE, refused)


def test_the_models_stand_best_first_with_the_numbers_of_metrics_json(run: Run) -> None:
    heads, *rows, chance = run.page.table("model")
    models = run.metrics["models"]
    assert [row[0] for row in rows] == sorted(models, key=lambda name: -models[name]["average"]["map"])
    for row in (dict(zip(heads, row, strict=False)) for row in rows):
        of = models[row["model"]]
        assert row["MAP, sound to video"] == f"{of['audio_to_visual']['map']:.3f}"
        assert row["MAP, video to sound"] == f"{of['visual_to_audio']['map']:.3f}"
        margin = f" ± {of['average']['map_margin']:.3f}" if "map_margin" in of["average"] else ""
        assert row["MAP, average"] == f"{of['average']['map']:.3f}{margin}"
        assert row["R@1"] == f"{of['average']['recall_at_1']:.3f}"
        assert row["R@10"] == f"{of['average']['recall_at_10']:.3f}"
        assert row["mean reciprocal rank"] == f"{of['average']['mrr']:.3f}"
        assert row["seeds"] == {"main": "1", "better": "2", "noise": "3"}[row["model"]]
    assert chance[:4] == ["chance", *[f"{run.metrics['chance']['map']:.3f}"] * 3]


def test_every_model_is_told_to_be_ahead_of_or_behind_the_first_one(run: Run) -> None:
    rows = {row[0]: row[8:] for row in run.page.table("model")[1:-1]}
    pairs = [row for row in run.table("significance") if row["model"] == "main"]
    better, noise = ({key: float(row[key]) for key in ("difference", "p_holm")} for row in pairs)
    assert better["difference"] < 0 < noise["difference"]
    assert rows["better"] == [f"{-better['difference']:.3f} ahead", f"{better['p_holm']:#.2g}"]
    assert rows["noise"] == [f"{noise['difference']:.3f} behind", f"{noise['p_holm']:#.2g}"]
    assert rows["main"] == ["the first one"]


def test_the_page_loads_nothing_and_runs_its_own_script_alone(run: Run) -> None:
    tags = Counter(tag for tag, _ in run.page.elements)
    assert not set(tags) & {"link", "img", "iframe", "object", "embed", "base", "image"}
    assert tags["script"] == 1
    attributes = [pair for _, attrs in run.page.elements for pair in attrs.items()]
    assert not [name for name, _ in attributes if name.startswith("on") or name in ("src", "srcset", "action")]
    assert all((value or "").startswith("#") for name, value in attributes if name.endswith("href"))
    before, script, after = re.split(r"<script>(?s:(.*))</script>", run.page.source)
    assert not re.search(r"https?:|//|@import|url\((?!#)", before + after)
    assert not re.search(r"https?:|fetch|import|eval|innerHTML|XMLHttp", script)
    assert [path.name for path in (run.folder / "report").iterdir()] == ["index.html"]


def test_the_policy_of_the_page_allows_its_script_and_no_other_source(run: Run) -> None:
    (policy,) = (attrs["content"] or "" for tag, attrs in run.page.elements if "http-equiv" in attrs)
    script = re.split(r"<script>(?s:(.*))</script>", run.page.source)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert set(rules) == {"default-src", "img-src", "style-src", "script-src", "media-src"}


def test_the_page_is_html_that_a_screen_reader_can_tell(run: Run) -> None:
    ids = Counter(attrs["id"] for _, attrs in run.page.elements if "id" in attrs)
    assert ids.most_common(1)[0][1] == 1
    assert all(name in ids for name in re.findall(r'(?:href="|url\()#([^")]+)', run.page.source))
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in run.page.elements if tag == "th")
    elements = run.page.elements
    pictures = [at for at, (tag, attrs) in enumerate(elements) if tag == "svg" and "aria-hidden" not in attrs]
    around = [elements[at - 1][1] for at in pictures]
    assert len(pictures) == 7  # bars, four curves, the plane, one of the training: the first model is a closed form
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in around)
    assert run.page.source.startswith("<!DOCTYPE html>\n<html lang=")


def test_the_bars_are_as_long_as_the_maps(run: Run) -> None:
    drawing = run.page.source.split("</svg>")[0]
    bars = re.findall(r'd="M ([\d.]+) [\d.]+ \nL ([\d.]+) [^"]*"[^>]*style="fill: (?:#0072b2|#a6c8e0)', drawing)
    lengths = np.array([float(end) - float(start) for start, end in bars])
    maps = np.array(sorted((of["average"]["map"] for of in run.metrics["models"].values()), reverse=True))
    assert lengths / lengths[0] == pytest.approx(maps / maps[0], abs=1e-4)


def test_the_curves_go_through_the_points_of_the_tables(run: Run) -> None:
    pictures = run.page.source.split("</svg>")[1:5]
    places = [(table, way) for table in ("precision_scope", "precision_recall") for way in WAYS]
    shown = ["main", *sorted(("better", "noise"), key=lambda name: -run.metrics["models"][name]["average"]["map"])]
    for (table, way), drawing in zip(places, pictures, strict=True):
        values = [float(row[way]) for name in shown for row in run.rows(table, name)]
        curves = drawing.partition('axes_1">')[2].partition('legend_1">')[0]
        heights = [float(y) for y in re.findall(r'<use [^>]*y="([\d.]+)" style="fill: #(?!000000)', curves)]
        slope, start = np.polyfit(values, heights, 1)
        assert slope < 0
        assert slope * np.array(values) + start == pytest.approx(heights, abs=0.01)


def test_the_same_run_gives_the_same_bytes_in_any_process(run: Run) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "MPLCONFIGDIR": str(run.folder / "mpl")}
    (run.folder / "matplotlibrc").write_text("lines.linewidth: 9\n")
    command = [sys.executable, "-m", "stages.report", *run.words[:-1], "other"]
    subprocess.run(command, cwd=run.folder, env=env, check=True, stdout=subprocess.DEVNULL)
    assert (run.folder / "other" / "index.html").read_bytes() == (run.folder / "report" / "index.html").read_bytes()


def test_labels_and_reasons_are_shown_as_they_are(odd_run: Run) -> None:
    page = odd_run.page
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert "alert" not in re.split(r"<script>(?s:(.*))</script>", page.source)[1]
    assert {row[0] for row in page.table("class")[1:]} == set(HOSTILE)
    assert page.table("query")[0][1:] == sorted(HOSTILE)
    assert page.table("clip")[1] == [HOSTILE[0], "frames", "not_media", HOSTILE[1]]


def test_the_matrix_counts_what_scikit_learn_counts(run: Run) -> None:
    heads, *rows = run.page.table("query")
    answers = run.rows("confusion", "main")
    expected = confusion_matrix([row["actual"] for row in answers], [row["predicted"] for row in answers])
    assert heads[1:] == [row[0] for row in rows] == sorted(CLASSES)
    assert np.array([row[1:] for row in rows], dtype=int).tolist() == expected.tolist()
    assert expected.sum() == 2 * 30


def test_classes_stand_best_first_with_their_numbers_of_queries(run: Run) -> None:
    rows = run.page.table("class")[1:]
    expected = sorted(
        run.rows("class_map", "main"), key=lambda row: -float(row["audio_to_visual"]) - float(row["visual_to_audio"])
    )
    assert rows == [
        [row["class"], "10", f"{float(row['audio_to_visual']):.3f}", f"{float(row['visual_to_audio']):.3f}"]
        for row in expected
    ]


def test_of_309_classes_the_most_frequent_mistakes_are_listed_in_place_of_a_matrix(tmp_path: Path) -> None:
    classes = [f"class {i:03}" for i in range(309)]
    run = Run(tmp_path, {"main": 2.0}, classes, params=SMALL | {"recall_at": [5]})
    counts = Counter((row["actual"], row["predicted"]) for row in run.rows("confusion", "main"))
    frequent = sorted((n for (actual, predicted), n in counts.items() if actual != predicted), reverse=True)[:20]
    rows = run.page.table("class of the query")[1:]
    assert [int(row[2]) for row in rows] == frequent
    assert all(counts[row[0], row[1]] == int(row[2]) for row in rows)
    assert "309 by 309 classes" in run.page.text
    assert {row[0] for row in run.page.table("class")[1:]} == set(classes)
    assert [head for head in run.page.table("model")[0] if head.startswith("R@")] == ["R@5"]
    assert len(run.page.source) < 500_000


def test_one_model_is_compared_with_nothing(odd_run: Run) -> None:
    assert odd_run.page.table("model")[0][-1] == "seeds"
    assert [len(row) for row in odd_run.page.table("model")[1:]] == [8, 5]
    assert "p-value" not in odd_run.page.text


def test_of_thirteen_models_the_first_and_the_best_others_have_curves(tmp_path: Path) -> None:
    run = Run(tmp_path, {f"m{i}": 4.0 - 0.25 * i for i in range(13)})
    assert len(run.page.table("model")) == 1 + 13 + 1
    best = [row[0] for row in run.page.table("model")[1:5]]
    labels = [attrs["aria-label"] or "" for _, attrs in run.page.elements if attrs.get("role") == "img"]
    assert [label.rpartition(", of ")[2] for label in labels[1:5]] == [", ".join(["m0", *best])] * 4


def test_a_run_without_rejects_says_so(run: Run) -> None:
    assert "No clip was rejected." in run.page.text
    assert "rejected clips:" not in run.page.text


def test_of_many_rejects_the_first_are_listed_and_all_are_counted(odd_run: Run) -> None:
    counts = "30 no_audio, 1 not_media, 29 truncated"
    assert [row[0] for row in odd_run.page.table("clip")[2:]] == [f"bad {i:02}" for i in range(49)]
    assert f"60 clips: {counts}. The first 50 of 60 rows" in odd_run.page.text
    assert f"Warning: rejected clips: 60 ({counts})." in odd_run.page.text


def test_what_is_wrong_with_a_run_stands_before_its_numbers(run: Run) -> None:
    assert run.page.text.index("random weights in vggish.") < run.page.text.index("The models, best first")
    metrics = copy.deepcopy(run.metrics)
    metrics["dataset"]["leakage"] |= {"test_same_sha256": 4, "test_same_source_id": 2}
    metrics["dataset"]["similar_labels"] = 3
    assert [what for what, _ in warnings(metrics, [])] == [
        "leakage: 4 of 30 test clips share their bytes with clips of train or validation",
        "leakage: 2 of 30 test clips share their source video with clips of train or validation",
        "random weights in vggish",
        "similar labels: 3 groups that differ only in case or white space",
    ]


def test_features_of_a_file_have_no_random_networks(run: Run) -> None:
    imported = {"imported": {"path": "VEGAS.h5", "keys": ["audio", "video"]}}
    assert list(warnings(run.metrics | {"provenance": imported}, [])) == []


def test_the_page_says_what_made_the_numbers_and_on_which_kind_of_machine(run: Run) -> None:
    rows = {row[0]: row[1] for row in run.page.table("key")[1:]}
    assert rows["device"] == run.metrics["provenance"]["device"] == "cpu"
    assert rows["versions.torch"] == run.metrics["provenance"]["versions"]["torch"]
    assert {f"machine.{row['key']}": row["value"] for row in run.table("machine")}.items() <= rows.items()


def test_drawn_queries_are_said_to_be_drawn(tmp_path: Path) -> None:
    run = Run(tmp_path, {"main": 1.0, "other": 2.0}, params=SMALL | {"max_queries": 12})
    assert run.metrics["dataset"]["n_queries"] == 12
    assert "12 of the 30 test clips" in run.page.text
    assert [row[7] for row in run.page.table("model")[1:3]] == ["1", "2"]
    assert all(row[1] == "4" for row in run.page.table("class")[1:])


@pytest.mark.parametrize("text", ['{"models": {}}', '{"models": ', "[]"])
def test_a_metrics_json_without_a_model_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(DataError, match=r"metrics\.json: .*; expected a metrics\.json that the stage `evaluate` wrote"):
        read_inputs(Places(tmp_path / "metrics.json", *[tmp_path] * 6))
