"""An environment without the test tools must run every stage: what the code imports is what pyproject.toml asks for."""

import re
import tomllib
from functools import cache

import pytest

from pipeline.settings.imports import files_behind, packages_behind
from tests.helpers.project import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BROUGHT = {  # by another one
    "click": "typer",
    "pydantic-core": "pydantic",
    "pillow": "torchvision",
    "dvc-data": "dvc",
    "fsspec": "dvc",
    "aiohttp": "dvc",
    "httpx": "huggingface-hub",
    "starlette": "fastapi",
    "anyio": "fastapi",
}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


ALWAYS = names(PROJECT["dependencies"])
EXTRAS = PROJECT["optional-dependencies"]
ON_DEMAND = names([each for extra in EXTRAS.keys() - {"test"} for each in EXTRAS[extra]])


@cache
def imported() -> frozenset[str]:
    """What the code imports, read once for all tests."""
    packages = packages_behind(files_behind(["pipeline", "stages"]))
    return frozenset(BROUGHT.get(name, name) for name in (each.lower().replace("_", "-") for each in packages))


def test_every_package_that_the_stages_import_is_installed_without_the_test_tools() -> None:
    assert sorted(imported() - ALWAYS - ON_DEMAND) == []


@pytest.mark.parametrize("package", sorted(ALWAYS - {"dvc", "ruamel-yaml-clib"}))  # which is a command, and DVC's
def test_no_package_is_installed_for_nothing(package: str) -> None:
    assert package in imported()
