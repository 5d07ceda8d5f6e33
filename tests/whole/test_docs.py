"""What the pages name is there: files, headings, modules, stages; and no page of docs is without a way to it."""

import re
from functools import cache
from importlib.util import find_spec

import pytest

from pipeline.evaluate.metrics import METRICS
from pipeline.model_parts.base import model_names
from tests.helpers.pages import PAGES, ROOT, anchors, blocks, links, prose, text_of
from tests.helpers.refusals import KINDS, places_of_kinds
from tests.helpers.yaml_text import read_yaml

each_page = pytest.mark.parametrize("page", PAGES)
LANGUAGES = {"sh", "console", "text", "csv", "yaml", "python", "js"}
PATH = re.compile(r"(?:pipeline|stages|studies|benchmarks|tests|docs|\.github|\.ci)/[\w./-]*\w/?")
PLACEHOLDER = re.compile(r"NAME|DIR|FILE|WORK")


@each_page
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: str) -> None:
    lost = []
    for link in links(page):
        file, _, anchor = link.partition("#")
        path = (ROOT / page).parent.joinpath(file).resolve() if file else ROOT / page
        is_there = path.is_relative_to(ROOT) and path.exists()
        if not is_there or (anchor and anchor not in anchors(path.relative_to(ROOT).as_posix())):
            lost.append(link)
    assert lost == []


@cache
def names_of_files() -> set[str]:
    """Names, without their folders, of all files of the project that have one of Python's or a configuration's."""
    folders = ("pipeline", "stages", "studies", "benchmarks", "tests", "docs")
    return {path.name for folder in folders for path in (ROOT / folder).rglob("*.*")} | {
        path.name for path in ROOT.iterdir()
    }


def exists(word: str) -> bool:
    """Whether a word in the type of code is no name of a file of the project, or that of one that exists."""
    if PLACEHOLDER.search(word):
        return True
    if PATH.fullmatch(word):
        return (ROOT / word).exists()
    return not re.fullmatch(r"\w+\.(py|jinja)", word) or word in names_of_files()


@each_page
def test_every_file_of_the_project_that_a_page_names_is_there(page: str) -> None:
    words = re.findall(r"`([^`\n]+)`", prose(page)) if page != "CHANGELOG.md" else []
    assert [word for word in words if not exists(word)] == []


@each_page
def test_every_module_that_a_page_runs_is_there(page: str) -> None:
    modules = set(re.findall(r"-m ((?:pipeline|stages|studies|benchmarks)[\w.]*)", text_of(page)))
    assert [name for name in modules if not find_spec(name)] == []


def test_the_tree_of_the_readme_names_folders_and_files_that_are_there() -> None:
    (tree,) = (block.text for block in blocks("README.md") if block.text.startswith("params.yaml"))
    entries = re.findall(r"^( *)((?:[\w.]+/? )+) ", tree, re.MULTILINE)
    paths = [f"{'pipeline/' if indent else ''}{name}" for indent, names in entries for name in names.split()]
    assert 18 <= len(tree.splitlines()) <= 22
    assert [path for path in paths if not (ROOT / path).exists()] == []
    folders = {path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py")}
    assert [name for name in sorted(folders) if f" {name}/" not in tree] == []
    modules = {path.name for path in (ROOT / "pipeline").glob("*.py")} - {"__init__.py"}
    assert [name for name in sorted(modules) if not re.search(rf" {name}\b", tree)] == []


def test_every_stage_has_a_page() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| \[.*\]\((.+)\) \|$", text_of("docs/README.md"), re.MULTILINE)
    pages = {stage: page for stages, page in rows for stage in re.findall(r"`(\w+)`", stages)}
    stages = read_yaml((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(stages) == pages.keys()
    for stage, page in pages.items():
        assert re.search(rf"\b{stage}\b", text_of(f"docs/{page}"))


def test_every_page_of_docs_is_in_the_list_of_pages() -> None:
    listed = {link.partition("#")[0] for link in links("docs/README.md")}
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages - {"README.md"} - listed == set()


def test_every_model_has_a_row_and_a_section() -> None:
    rows = re.findall(r"^\| \[`(\w+)`\]\(#(.+?)\) \| `(.+?)` \|", text_of("docs/models.md"), re.MULTILINE)
    assert sorted(name for name, *_ in rows) == model_names()
    sections = read_yaml((ROOT / "params.yaml").read_text())["models"]
    for name, anchor, section in rows:
        assert name in re.split(r"\W+", anchor.replace("-", " "))
        assert sections.get(name, section) == section


def test_every_metric_has_a_row() -> None:
    table = text_of("docs/evaluate.md").partition("\n## The metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert rows == [f"{metric.name}{'_at_K' if metric.least_cutoff else ''}" for metric in METRICS]


def test_every_kind_of_refusal_has_a_row_with_the_files_that_give_it() -> None:
    table = text_of("docs/clips.md").partition("\n| kind | what is wrong | said by |\n")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", table, re.MULTILINE))
    assert rows.keys() == KINDS
    assert {kind: set(re.findall(r"`(.+?)`", files)) for kind, files in rows.items()} == places_of_kinds()


@each_page
def test_every_fenced_block_says_its_language(page: str) -> None:
    assert [block.line for block in blocks(page) if block.language not in LANGUAGES] == []


def test_line_five_of_the_results_says_that_the_claim_is_not_reached() -> None:
    assert "is not reached" in text_of("docs/results.md").splitlines()[4]


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/results.md"])
def test_no_page_says_room_where_it_means_a_folder(page: str) -> None:
    without_space = re.sub(r"(make|making|Make|making|to) room|room to write", "", text_of(page))
    assert re.findall(r".*\brooms?\b.*", without_space) == []


@pytest.mark.parametrize("name", ["Makefile", "params.yaml", "dvc.yaml"])
def test_every_page_that_a_file_of_the_main_job_names_is_there(name: str) -> None:
    named = re.findall(r"docs/[\w/]+\.md", (ROOT / name).read_text())
    assert [page for page in named if not (ROOT / page).exists()] == []


def test_the_glossary_has_twelve_words() -> None:
    glossary = text_of("CONTRIBUTING.md").partition("## Glossary")[2]
    assert len(re.findall(r"^\| \w+ \| .{20,} \|$", glossary, re.MULTILINE)) == 12


def test_the_workflow_of_the_project_runs_its_checks_and_nothing_else() -> None:
    (job,) = read_yaml(text_of(".github/workflows/ci.yml"))["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    checkout, python = (step["with"] for step in job["steps"] if "uses" in step)
    assert (checkout["fetch-depth"], python["python-version"]) == (0, "3.11")


def test_the_workflow_of_the_page_checks_the_metrics_as_the_page_does() -> None:
    workflow, check, *_ = (block for block in blocks("docs/ci.md") if block.language in ("yaml", "sh"))
    (job,) = read_yaml(workflow.text)["jobs"].values()
    *_, last = (step["run"].replace("\\\n", "").split() for step in job["steps"] if "run" in step)
    assert last == [*check.text.split(), ">>", '"$GITHUB_STEP_SUMMARY"']
