"""What every docstring of the package must be: a first line that stands alone, shapes of arrays, examples that run."""

import ast
import doctest
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.project import ROOT

FILES = sorted(path for folder in ("pipeline", "stages") for path in (ROOT / folder).rglob("*.py"))
LEANS = re.compile(r"\bthe same\b|\blikewise\b|\bas above\b|^(those|it|they)\b|^as `", re.IGNORECASE)
ARRAYS = re.compile(r"\b(NDArray|ndarray|Tensor|\w*Arrays?|Pairs|Rows)\b")
SHAPE = re.compile(r"\((?=[^()]*,)\s*[\w ./*+-]+\s*,[\w ,./*+-]*\)|scalar|by name|\bshape")


class Documented(NamedTuple):
    """A function, class or module and its docstring."""

    name: str
    node: ast.AST
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]


def documented(path: Path) -> Iterator[Documented]:
    """Everything of a file that has a docstring, with its dotted name."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    todo: list[tuple[str, ast.AST]] = [(module, ast.parse(path.read_text()))]
    while todo:
        name, node = todo.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield Documented(name, node, text)
        inner = [child for child in getattr(node, "body", []) if isinstance(child, ast.ClassDef | ast.FunctionDef)]
        if not isinstance(node, ast.FunctionDef):
            todo += [(f"{name}.{child.name}", child) for child in inner]


@cache
def all_documented() -> tuple[Documented, ...]:
    """Everything of all files, read once, and by the process that runs these tests alone."""
    return tuple(found for path in FILES for found in documented(path))


def is_public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split(".") if part != "__main__")


def signature(node: ast.FunctionDef) -> str:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    annotations = [argument.annotation for argument in given] + [node.returns]
    return " ".join(ast.unparse(annotation) for annotation in annotations if annotation)


def parts() -> list[str]:
    """The dotted names of the modules and packages that the package consists of."""
    children = (ROOT / "pipeline").iterdir()
    return sorted(
        f"pipeline.{path.stem}" for path in children if path.stem[0] not in "_." and path.suffix in ("", ".py")
    )


def test_a_first_line_stands_alone() -> None:
    leaning = [f"{found.name}: {found.first_line}" for found in all_documented() if LEANS.search(found.first_line)]
    assert leaning == []


def test_a_first_line_ends_its_sentence() -> None:
    open_ended = [found.name for found in all_documented() if not found.first_line.endswith((".", ":", "?"))]
    assert open_ended == []


def test_no_docstring_says_room_where_it_means_a_module() -> None:
    space = re.compile(r"\b(make|making|is|no|much) room\b|\bone room differ\b|\bor one room:", re.IGNORECASE)
    heard = "pipeline.dataset.demo.sounds"  # whose rooms echo
    said = [(found.name, found.text) for found in all_documented() if not found.name.startswith(heard)]
    assert [name for name, text in said if re.search(r"\brooms?\b", space.sub("", text))] == []


def test_whatever_takes_or_gives_arrays_says_their_shapes() -> None:
    functions = [
        found for found in all_documented() if isinstance(found.node, ast.FunctionDef) and is_public(found.name)
    ]
    silent = [
        found.name
        for found in functions
        if isinstance(found.node, ast.FunctionDef)
        and ARRAYS.search(signature(found.node))
        and not SHAPE.search(found.text)
    ]
    assert silent == []


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("part", parts())
def test_every_module_has_an_example_and_all_examples_run(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ROOT.joinpath(*part.split("."))
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    with_examples = [file for file in files if ">>> " in file.read_text()]
    assert with_examples, f"{part}: no example in any docstring"
    monkeypatch.chdir(tmp_path)
    results = {file: doctest.testmod(importlib.import_module(module_name(file))) for file in with_examples}
    assert [str(file) for file, result in results.items() if result.failed] == []
