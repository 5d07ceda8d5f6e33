"""Finished clips, kept outside of DVC's outs, which DVC deletes before a stage runs: a killed run does not start over.

An entry is found by what made it: the bytes that went in, the parameters, the weights and the code. It is written
whole or not at all.
"""

import ast
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from pipeline.errors import ClipError, DataError
from pipeline.shards import Arrays

REJECT = "reject"


def cache_folder() -> Path:
    """Return the folder for everything that can be computed again: $CACHE_DIR, or the user's cache folder."""
    if folder := os.environ.get("CACHE_DIR"):
        return Path(folder)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "dual-subspace-retrieval"


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


class ClipCache:
    """Results of one stage: of every input, its arrays or the reason why it was refused.

    Args:
        folder: where entries are kept; several stages and runs may share it.
        fingerprint: hash of all that decides a result besides the input; see ``fingerprint``.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder, self._fingerprint = folder, fingerprint

    def path(self, input_hash: str) -> Path:
        """Return the file of the entry that belongs to an input, whether it exists or not."""
        key = hashlib.sha256(f"{input_hash}:{self._fingerprint}".encode()).hexdigest()
        return self._folder / key[:2] / f"{key}.safetensors"

    def peek(self, clip_id: str, input_hash: str) -> ClipError | bool:
        """Return whether a clip is finished, or why it is refused; a damaged entry is removed and counts as unknown."""
        path = self.path(input_hash)
        try:
            with safe_open(path, framework="numpy") as entry:
                reject = (entry.metadata() or {}).get(REJECT)
                return ClipError(clip_id, *json.loads(reject)) if reject else True
        except FileNotFoundError:
            return False
        except SafetensorError:
            path.unlink()
            return False

    def read(self, clip_id: str, input_hash: str) -> Arrays:
        """Return the arrays of a finished clip.

        Raises:
            DataError: the entry is gone.
        """
        path = self.path(input_hash)
        try:
            return load_file(path)
        except (FileNotFoundError, SafetensorError) as error:
            raise DataError(
                f"clip {clip_id!r}: {path}: {error}; expected the entry that this run has just seen"
            ) from error

    def write(self, input_hash: str, result: Arrays | ClipError) -> None:
        """Keep the arrays of a clip, or why it is refused."""
        if isinstance(result, ClipError):
            reason = json.dumps([result.kind, result.problem, result.expected])
            write_atomically(self.path(input_hash), save({}, {REJECT: reason}))
        else:
            write_atomically(self.path(input_hash), save(result))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, also when several processes write the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
