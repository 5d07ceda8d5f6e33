"""The hash of the code behind a result, after edits of a copy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from studies.comparison.code import FIT, SEARCH, code_hash
from tests.helpers.project import ROOT


def edited(folder: Path, file: str, edit: Callable[[str], str]) -> Path:
    """A copy of the project's code, one file of it edited."""
    for name in ("pipeline", "studies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / file
    path.write_text(edit(path.read_text()))
    return folder


def with_a_statement(source: str) -> str:
    return f"{source}\nTWO = 1 + 1\n"


def with_other_words(source: str) -> str:
    return source.replace('"""', '"""In other words: ', 1) + "\n# and why\n"


def test_an_edit_of_a_model_changes_its_own_hash_and_that_of_no_other(tmp_path: Path) -> None:
    project = edited(tmp_path, "pipeline/models/c_cca.py", with_a_statement)
    changed = {name for name in ("c_cca", "cca", "dcca") if code_hash(FIT, name, project) != code_hash(FIT, name)}
    assert changed == {"c_cca"}


def test_a_comment_or_a_docstring_changes_no_hash(tmp_path: Path) -> None:
    project = edited(tmp_path, "pipeline/models/c_cca.py", with_other_words)
    assert code_hash(FIT, "c_cca", project) == code_hash(FIT, "c_cca")


@pytest.mark.parametrize(
    ("room", "changed"),
    [
        ("model_parts/layers.py", {(SEARCH, "acmr"), (FIT, "acmr")}),
        ("tune/folds.py", {(SEARCH, "cca"), (SEARCH, "acmr")}),
        ("clip_jobs/engines/processes.py", set()),
    ],
)
def test_an_edit_of_a_room_changes_the_hash_of_what_is_made_in_it(
    room: str, changed: set[tuple[str, str]], tmp_path: Path
) -> None:
    project = edited(tmp_path, f"pipeline/{room}", with_a_statement)
    results = [(script, model) for script in (SEARCH, FIT) for model in ("cca", "acmr")]
    assert {result for result in results if code_hash(*result, project) != code_hash(*result)} == changed
