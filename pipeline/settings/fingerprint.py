"""A hash of all that decides a result besides its input: facts, code, versions."""

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from pipeline.settings.imports import PROJECT, files_behind, is_of_the_project, packages_behind
from pipeline.settings.paths import AnyPath

WITHOUT_EFFECT = (
    "pipeline.errors",  # words
    "pipeline.settings.params",  # the values themselves are among the facts
    "pipeline.settings.environment",
    "pipeline.settings.limits",
    "pipeline.settings.time_limit",
    "pipeline.settings.json_text",
    "pipeline.settings.notices",
    "pipeline.settings.paths",
    "pipeline.settings.regular_files",
    "pipeline.settings.fingerprint",
    "pipeline.settings.progress",
    "pipeline.settings.dvc_stage",
    "pipeline.settings.imports",
    "pipeline.formats.clips",  # how inputs and results are written down; the input's own hash says what was read
    "pipeline.formats.files",
    "pipeline.formats.memory",
    "pipeline.formats.rejects",
    "pipeline.formats.shards",
    "pipeline.clip_jobs",  # where and in which order clips are computed
    "pipeline.network_parts.base",  # how a network is found; what its section says is among the facts
    "pipeline.dataset.base",
    "pipeline.dataset.layouts",
)
"""Modules whose code no result depends on, however it is edited."""
CHECKS = ("pydantic", "tqdm")
"""Packages that only check values, or show how far the work is."""

_Tree: TypeAlias = "str | list[_Tree]"


def fingerprint(facts: Mapping[str, Any], modules: Iterable[str], project: AnyPath = PROJECT) -> str:
    """Return a hash of all that decides a result besides the clip: sha256, hex.

    What counts is the syntax tree of every file of the project behind the modules, and the versions of the packages
    that these import. Comments, docstrings and layout do not count, nor do names of files and imports from within the
    project: code that moves to another place, or whose user finds it there, is still the same code.

    Args:
        facts: what JSON can hold: parameters, hash of the weights.
        modules: dotted names of the modules that compute the result; what they import counts too.
        project: folder of the project.

    Example:
        >>> fingerprint({"n_mels": 64}, ["pipeline.logmel"]) == fingerprint({"n_mels": 32}, ["pipeline.logmel"])
        False
    """
    files = files_behind(modules, project, WITHOUT_EFFECT)
    versions = {package: version(package) for package in packages_behind(files) if package not in CHECKS}
    return _sha256([dict(facts), sorted(map(code_hash, files)), versions])


def code_fingerprint(facts: Mapping[str, Any], modules: Iterable[str], project: AnyPath = PROJECT) -> str:
    """Return a hash as `fingerprint` does, without the versions of packages: machines of one project agree on it.

    Args:
        facts: what JSON can hold.
        modules: dotted names of the modules that compute the result; what they import counts too.
        project: folder of the project.
    """
    return _sha256([dict(facts), sorted(map(code_hash, files_behind(modules, project, WITHOUT_EFFECT)))])


def _sha256(value: object) -> str:
    """Hash of what JSON can hold: sha256, hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@cache
def code_hash(file: AnyPath) -> str:
    """Return a hash of what a Python file does: sha256, hex; versions of Python agree on it."""
    file = Path(file)
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(node, name, [child for child in value if not is_of_the_project(child)])
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(json.dumps(_plain(tree)).encode()).hexdigest()


def _plain(value: object) -> _Tree:
    """A syntax tree as lists and words, without the empty fields that newer versions of Python add."""
    if isinstance(value, ast.AST):
        fields = [[name, _plain(child)] for name, child in ast.iter_fields(value) if child is not None and child != []]
        return [type(value).__name__, *fields]
    return [_plain(child) for child in value] if isinstance(value, list) else repr(value)
