"""A hash of all that decides a result besides its input: facts, code, versions."""

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any


def fingerprint(facts: Mapping[str, Any], modules: Iterable[ModuleType], packages: Iterable[str] = ()) -> str:
    """Return a hash of all that decides a result besides the clip: sha256, hex.

    Args:
        facts: what JSON can hold: parameters, hash of the weights.
        modules: the rooms that compute the result; comments, docstrings and layout of their source do not count.
        packages: installed packages whose version counts.
    """
    code = {module.__name__: _code_hash(Path(str(module.__file__))) for module in modules}
    versions = {package: version(package) for package in packages}
    text = json.dumps([dict(facts), code, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _code_hash(path: Path) -> str:
    """Hash of a module's syntax tree without its docstrings; of a package all modules count."""
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return hashlib.sha256("".join(map(_tree_without_docstrings, files)).encode()).hexdigest()


def _tree_without_docstrings(path: Path) -> str:
    """What of a module can change a result."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
