"""The bars of the README, read as XML."""

import doctest
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pipeline.errors import DataError
from studies import bars as module
from studies.bars import draw, write
from tests.helpers.pages import ROOT, text_of

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = ("flow.svg", "result.svg")
METRICS: dict[str, Any] = {
    "dataset": {"source": "demo", "n_test": 50, "n_classes": 10},
    "chance": {"map": 0.125},
    "models": {
        "cca": {"average": {"map": 0.25}},
        "<b>&": {"average": {"map": 0.75, "map_margin": 0.125}},
    },
}


def committed(name: str) -> str:
    """A file as the last commit has it, or as it lies there where there is no repository."""
    command = ["git", "show", f"HEAD:{name}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else text_of(name)


def words(svg: str) -> list[str]:
    """The texts of a picture in their order."""
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_committed_picture_has_the_numbers_of_the_committed_metrics() -> None:
    metrics = json.loads(committed("metrics.json"))
    shown = words(committed("docs/pictures/result.svg"))
    chance = float(shown[-1].removeprefix("chance "))
    assert chance == pytest.approx(metrics["chance"]["map"], abs=0.00051)
    values = dict(zip(shown[2:-1:2], map(float, shown[3:-1:2]), strict=True))
    assert values.keys() == metrics["models"].keys()
    assert list(values.values()) == sorted(values.values(), reverse=True)
    for name, value in values.items():
        assert value == pytest.approx(metrics["models"][name]["average"]["map"], abs=0.00051)


def test_the_readme_says_the_numbers_of_the_picture_to_who_cannot_see_it() -> None:
    (said,) = re.findall(r"!\[(MAP of .*?)\]", text_of("README.md"))
    shown = words(text_of("docs/pictures/result.svg"))
    for name, value in re.findall(r"(\w+) (\d\.\d+)", said):
        assert f"{name} {value}" == shown[-1] or shown[shown.index(name) + 1] == value


def test_a_bar_is_as_long_as_its_map_and_chance_stands_at_its_place() -> None:
    root = ElementTree.fromstring(draw(METRICS))
    frame, *bars = root.iter(f"{SVG}rect")
    lengths = [float(bar.attrib["width"]) for bar in bars]
    assert lengths[0] == pytest.approx(3 * lengths[1], abs=0.2)
    left = float(bars[0].attrib["x"])
    margin, chance = (float(re.findall(r"M([\d.]+) ", path.attrib["d"])[0]) for path in root.iter(f"{SVG}path"))
    assert chance - left == pytest.approx(lengths[1] / 2, abs=0.2)
    assert margin - left == pytest.approx(lengths[0] * 0.625 / 0.75, abs=0.2)
    assert left + lengths[0] < float(frame.attrib["width"])


def test_the_example_of_the_docstring_runs() -> None:
    result = doctest.testmod(module)
    assert (result.failed, result.attempted) == (0, 1)


def test_a_name_is_text_whatever_signs_it_has() -> None:
    assert words(draw(METRICS))[2:6] == ["<b>&", "0.750", "cca", "0.250"]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_loads_nothing_runs_nothing_and_has_words_as_text(name: str) -> None:
    svg = text_of(f"docs/pictures/{name}")
    assert re.findall(r"<script|<image|href|url\((?!#)|@import|onload", svg) == []
    assert set(re.findall(r"https?://[^\"' ]+", svg)) == {"http://www.w3.org/2000/svg"}
    assert len(words(svg)) > 10


def test_the_command_draws_the_bars_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    command = [sys.executable, "-m", "studies.bars", str(tmp_path / "metrics.json"), str(tmp_path / "bars.svg")]
    subprocess.run(command, cwd=ROOT, check=True)
    assert (tmp_path / "bars.svg").read_text() == draw(METRICS)


@pytest.mark.parametrize("text", [None, "{", "{}", "[]"])
def test_metrics_that_are_none_are_named_and_no_picture_is_written(text: str | None, tmp_path: Path) -> None:
    metrics, picture = tmp_path / "metrics.json", tmp_path / "bars.svg"
    if text is not None:
        metrics.write_text(text)
    with pytest.raises(DataError, match=r"metrics\.json: .*; expected the metrics\.json of a finished run"):
        write(metrics, picture)
    assert not picture.exists()
