"""The gallery, the map and the other new parts of the page, read as a browser reads them; clips are real videos."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.formats.clips import Clip, write_root
from pipeline.report.gallery import N_CLASSES, N_WORST
from pipeline.video import write_mp4
from tests.helpers.report_run import HOSTILE, SMALL, Run

ODD = ("</style><script>alert(2)</script>.mp4", "a b'\"#?%20.mp4", "javascript:alert(3).mp4", "x\u202e.mp4")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Thirty clips with hostile labels, four of them with hostile names too; three have files."""
    folder = tmp_path_factory.mktemp("gallery")
    videos = folder / "far away"
    videos.mkdir()
    names = [*ODD, *(f"clip {i}.mp4" for i in range(26))]
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32)
    for name in (names[1], *names[4:6]):
        write_mp4(videos / name, [np.full((48, 64, 3), 90, np.uint8)] * 10, 10, sound, 16000)
    clips = [
        Clip(clip_id=name, path=name.replace("/", ""), label=HOSTILE[i // 10], split="test")
        for i, name in enumerate(names)
    ]
    write_root(folder / "clips.csv", videos)
    return Run(folder, {"main": 1.0, "other": 2.0}, HOSTILE, clips=clips)


def test_every_query_of_the_gallery_has_its_five_results_with_marks_in_words(run: Run) -> None:
    tags = Counter(tag for tag, _ in run.page.elements)
    classes = Counter(attrs.get("class") for _, attrs in run.page.elements)
    n_cards = classes["card"]
    assert N_WORST < n_cards <= N_WORST + 4 * len(HOSTILE)
    assert classes["right"] + classes["wrong"] == 5 * n_cards
    assert run.page.text.count("✓ right") == classes["right"] > 0
    assert run.page.text.count("✗ wrong") == classes["wrong"] > 0
    assert tags["details"] == len(HOSTILE)


def test_hostile_names_make_no_element_and_no_address_of_another_scheme(run: Run) -> None:
    assert [tag for tag, _ in run.page.elements].count("script") == 1
    assert not [name for _, attrs in run.page.elements for name in attrs if name.startswith("on")]
    links = {attrs["href"] or "" for tag, attrs in run.page.elements if tag == "a"}
    assert {link for link in links if not link.startswith("#")} <= {
        link for link in links if link.startswith("../videos/")
    }
    assert "../videos/a%20b%27%22%23%3F%2520.mp4" in links
    styles = re.findall(r"<style>(?s:(.*?))</style>", run.page.source)
    assert len(styles) == 2
    assert all("alert" not in style for style in styles)
    assert ODD[0] in run.page.text
    assert "\u202e" not in run.page.source
    assert r"x\u202e.mp4" in run.page.text


def test_a_thumbnail_is_held_once_and_shown_where_its_clip_is(run: Run) -> None:
    held = re.findall(
        r"^\.t(\d+) \{ background-image: url\(data:image/jpeg;base64,[\w+/=]+\); \}$", run.page.source, re.M
    )
    shown = [attrs for _, attrs in run.page.elements if re.search(r"\bt\d+\b", attrs.get("class") or "")]
    assert held == sorted(held, key=int)
    assert len(set(held)) == len(held) <= 2 * 3
    words = {word for attrs in shown for word in (attrs["class"] or "").split()}
    assert words == {"thumb", "sound", "video", *(f"t{number}" for number in held)}
    labels = {(attrs["class"], attrs["aria-label"]) for attrs in shown}
    assert len(labels) == len(held)


def test_the_link_leads_to_the_videos_and_is_no_part_of_the_page(run: Run) -> None:
    assert (run.folder / "videos").resolve() == run.folder / "far away"
    assert [path.name for path in (run.folder / "report").iterdir()] == ["index.html"]
    assert str(run.folder) not in run.page.source


def test_the_map_has_a_mark_for_each_half_with_its_name(run: Run) -> None:
    titles = re.findall(r"<title>(.*?)</title>", run.page.source)[1:]
    assert len(titles) == 60
    assert sum(title.endswith("(sound)") for title in titles) == 30
    assert len(set(titles)) == 60


def test_every_word_of_the_glossary_that_is_linked_is_there(run: Run) -> None:
    ids = [attrs["id"] for _, attrs in run.page.elements if "id" in attrs]
    linked = {(attrs["href"] or "#")[1:] for _, attrs in run.page.elements if attrs.get("class") == "term"}
    assert linked <= set(ids)
    assert {"term-map", "term-chance", "term-recall", "term-mrr", "term-p", "term-score", "term-ap"} <= linked
    contents = [(attrs["href"] or "#")[1:] for tag, attrs in run.page.elements if tag == "a" and "class" not in attrs]
    assert contents == [attrs["id"] for tag, attrs in run.page.elements if tag == "h2" and "id" in attrs]


def test_parameters_that_differ_are_listed(run: Run) -> None:
    rows = {name: cells for name, *cells in run.page.table("parameter")[1:]}
    assert rows["evaluate.significance_permutations"] == ["200", "10000"]
    assert rows["evaluate.scope_sizes"] == ["[1, 2, 5]", "[1, 2, 5, 10, 20, 50]"]
    assert rows["models.main"] == ["model", "not there"]
    assert rows["models.acmr"] == ["not there", "baselines.acmr"]
    assert "model.dropout" not in rows


def test_of_many_classes_the_hardest_have_cards_and_the_page_stays_small(tmp_path: Path) -> None:
    run = Run(tmp_path, {"main": 2.0}, [f"class {i:03}" for i in range(120)], params=SMALL)
    assert [tag for tag, _ in run.page.elements].count("details") == N_CLASSES
    assert f"Of each class of the {N_CLASSES} with the lowest MAP, of 120," in " ".join(run.page.text.split())
    assert len(run.page.source) < 600_000
