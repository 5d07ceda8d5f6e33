"""The page of licences has a row for all that the project needs, and says what the packages say themselves."""

import re
import tomllib
from importlib.metadata import PackageMetadata, metadata
from importlib.util import find_spec

import pytest

from pipeline.weights.sources import SOURCES
from tests.helpers.pages import ROOT, text_of
from tests.helpers.yaml_text import read_yaml

PAGE = "docs/licences.md"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BUILT = {"pesq"}  # from source, with a compiler: no test tool, so it may not be installed
MEASURED = set(PYPROJECT["project"]["optional-dependencies"]["bench"])  # installed by `make bench` alone
KINDS = {  # what the metadata of a package may call a licence, and what the page calls it
    "MIT": "MIT",
    "BSD": "BSD",
    "Apache": "Apache",
    r"\bGPL": "GPL",
    "LGPL|Lesser General Public": "LGPL",
    "MPL": "MPL",
    "ISC": "ISC",
    "matplotlib": "matplotlib",
}


def rows(heading: str) -> dict[str, str]:
    """The second last cell of each row of a table, the licence, by the first one."""
    table = text_of(PAGE).partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return {name: cells for name, cells in re.findall(r"^\| `([\w-]+)`(?:, `\w+`)* \| (.+) \|$", table, re.MULTILINE)}


def dependencies() -> set[str]:
    """The names of all packages that pyproject.toml names itself, as package indices write them."""
    project = PYPROJECT["project"]
    named = [*project["dependencies"], *PYPROJECT["build-system"]["requires"]]
    named += [line for lines in project["optional-dependencies"].values() for line in lines]
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in named}
    return names - {project["name"]}


def kinds_of(licence: str) -> set[str]:
    return {kind for pattern, kind in KINDS.items() if re.search(pattern, licence)}


def licence_of(package: PackageMetadata) -> str:
    """What a package says of its licence: an expression, the field, and the classifiers."""
    said = [package.get("License-Expression"), *(package.get("License") or "").splitlines()[:1]]
    classifiers = [line for line in package.get_all("Classifier") or [] if line.startswith("License ::")]
    return " ".join(filter(None, [*said, *classifiers]))


def test_every_direct_dependency_has_a_row_and_every_row_a_dependency() -> None:
    assert rows("Packages").keys() == dependencies()


def is_here(name: str) -> bool:
    """Whether a package is installed; all are but those that are built, and peers that are only measured."""
    peers = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in MEASURED}
    return name not in BUILT and (name not in peers or find_spec(name.replace("-", "_")) is not None)


@pytest.mark.parametrize("name", sorted(filter(is_here, dependencies())))
def test_the_page_says_the_licence_that_the_package_says(name: str) -> None:
    kinds = kinds_of(licence_of(metadata(name)))
    assert kinds
    assert kinds <= kinds_of(rows("Packages")[name])


def test_every_source_of_weights_has_a_row_with_its_licence() -> None:
    said = {name: cells.partition(" | ")[2] for name, cells in rows("Weights").items()}
    assert said == {name: source.licence for name, source in SOURCES.items()}


def test_every_source_of_clips_has_its_terms() -> None:
    table = text_of(PAGE).partition("## Data\n")[2]
    named = {
        name for cell in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    sources = {path.stem for path in (ROOT / "pipeline/dataset/sources").glob("*.py")} - {
        "__init__",
        "demo",
        "players",
        "talkers",
    }
    assert named == sources


def test_the_licence_is_the_same_everywhere() -> None:
    assert text_of("LICENSE").startswith("MIT License\n")
    assert PYPROJECT["project"]["license"] == "MIT"
    assert read_yaml(text_of("CITATION.cff"))["license"] == "MIT"


def test_the_citation_names_the_version_and_the_paper() -> None:
    citation = read_yaml(text_of("CITATION.cff"))
    assert citation["version"] == PYPROJECT["project"]["version"]
    assert citation["references"][0]["doi"] == "10.1145/3564608"
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
