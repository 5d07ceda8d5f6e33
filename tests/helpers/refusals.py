"""Which files of the package refuse clips, by the kind that they give: read from their code."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from typing import get_args

from pipeline.errors import RejectKind
from tests.helpers.project import ROOT

KINDS = set(get_args(RejectKind))
MAKERS = {"ClipError", "refusal", "Stopped"}  # what makes a refusal, and names its kind


def kinds_in(source: str) -> Iterator[str]:
    """The kinds that a file's code writes out where it makes a refusal."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
            words = {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
            yield from sorted(words & KINDS)


def places_of_kinds() -> dict[str, set[str]]:
    """The files that give a kind, below pipeline/, for each kind."""
    package = ROOT / "pipeline"
    places: dict[str, set[str]] = defaultdict(set)
    for path in package.rglob("*.py"):
        for kind in kinds_in(path.read_text(encoding="utf-8")):
            places[kind].add(path.relative_to(package).as_posix())
    return dict(places)
