"""Which files of the project, and which packages, stand behind a module: all that it imports, at any depth.

The one reader of imports: keys of caches, the deps of dvc.yaml and the studies ask it.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from pipeline.settings.paths import AnyPath

PROJECT = Path(__file__).parents[2]
ROOTS = ("pipeline", "stages", "studies", "benchmarks")
_PACKAGE_NAMES = {  # where import and package differ
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "scenedetect": "scenedetect-headless",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def files_behind(modules: Iterable[str], project: AnyPath = PROJECT, without: Iterable[str] = ()) -> list[Path]:
    """Return the project's files that modules are made of, sorted: their own and all that they import.

    Nothing is run. An import counts wherever it stands, within a function too, but not below ``if TYPE_CHECKING``. A
    package stands for all of its files, and an import from a package for its ``__init__.py`` and what that imports.
    Empty files are left out, since they cannot change a result.

    Args:
        modules: dotted names, such as ``pipeline.video``.
        project: folder of the project.
        without: dotted names of modules and packages that are passed over, and what only they import.
    """
    project, skipped = Path(project), tuple(without)
    todo = [file for module in modules for file in _own_files(module, project)]
    seen: set[Path] = set()
    while todo:
        file = todo.pop()
        if file in seen or _is_below(_module_name(file, project), skipped):
            continue
        seen.add(file)
        todo += [found for name in imported_names(file) for found in _imported_files(name, project)]
    return sorted(file for file in seen if file.stat().st_size)


def packages_behind(files: Iterable[AnyPath]) -> list[str]:
    """Return the installed packages that files import, by the names they are installed under, sorted."""
    names = {name.partition(".")[0] for file in files for name in imported_names(Path(file))}
    others = names - sys.stdlib_module_names - set(ROOTS)
    return sorted(_PACKAGE_NAMES.get(name, name) for name in others)


@cache
def imported_names(file: AnyPath) -> frozenset[str]:
    """Return the dotted names that a Python file imports; of ``from a import b`` both ``a`` and ``a.b``."""
    file = Path(file)
    names: set[str] = set()
    for node in _nodes_that_run(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def is_of_the_project(node: ast.AST) -> bool:
    """Return whether a node of a syntax tree imports from the project."""
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] in ROOTS
    return isinstance(node, ast.Import) and all(alias.name.partition(".")[0] in ROOTS for alias in node.names)


def _nodes_that_run(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from _nodes_that_run(node)


def _own_files(module: str, project: Path) -> list[Path]:
    """The file of a module, or all files of a package."""
    path = project.joinpath(*module.split("."))
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    if not all(file.exists() for file in files) or not files:
        raise ModuleNotFoundError(f"{module}: no such module below {project}")
    return files


def _imported_files(name: str, project: Path) -> list[Path]:
    """The project's files that an import of a name runs: the module, if it is one, and the packages around it."""
    parts = name.split(".")
    if parts[0] not in ROOTS:
        return []
    files = [project.joinpath(*parts).with_suffix(".py")]
    files += [project.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [file for file in files if file.exists()]


def _module_name(file: Path, project: Path) -> str:
    """The dotted name of a file; that of a package for its ``__init__.py``."""
    parts = file.relative_to(project).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_below(module: str, names: tuple[str, ...]) -> bool:
    """Whether a module is one of the names, or lies in one."""
    return any(module == name or module.startswith(f"{name}.") for name in names)
