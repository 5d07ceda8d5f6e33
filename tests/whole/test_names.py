"""One word, one thing: a class or a type alias has a name of its own in the whole project.

Names of modules may repeat (``base``), since their folders tell them apart; a class is met without its folder.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from pipeline.settings.imports import ROOTS
from tests.helpers.project import ROOT

FILES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for folder in ROOTS
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "__init__.py" or path.stat().st_size
}


def types_of(source: str) -> Iterator[str]:
    """The classes and type aliases of a module, without the underscore of a private one.

    A type variable is none, since it stands for any type; nor is a constant, whose name is in capitals.
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            yield node.name.lstrip("_")
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not isinstance(node.value, ast.Call):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id.lstrip("_") for target in targets if isinstance(target, ast.Name)]
            yield from (name for name in names if name[:1].isupper() and not name.isupper())


def contracts(files: Mapping[str, str]) -> dict[str, set[str]]:
    """By folder the types that each of its files has, three at least: what a model must be is one thing."""
    by_folder = defaultdict(list)
    for file, source in files.items():
        if not file.endswith("__init__.py"):
            by_folder[file.rpartition("/")[0]].append(set(types_of(source)))
    return {folder: set.intersection(*types) for folder, types in by_folder.items() if len(types) > 2}


def doubled(files: Mapping[str, str]) -> dict[str, list[str]]:
    """Names that stand for several things, and the files of each; a contract's own definition is one place."""
    common, places = contracts(files), defaultdict(list)
    for file, source in files.items():
        for name in types_of(source):
            if name not in common.get(file.rpartition("/")[0], ()):
                places[name].append(file)
    return {name: found for name, found in places.items() if len(found) > 1}


def found(*sources: str, folders: Iterable[str] = ()) -> list[str]:
    """The doubled names of sources, each in a folder of its own unless folders are given."""
    names = list(folders) or [f"f{i}" for i in range(len(sources))]
    return sorted(
        doubled({f"{folder}/{i}.py": source for i, (folder, source) in enumerate(zip(names, sources, strict=True))})
    )


def test_a_class_or_an_alias_that_comes_twice_is_found() -> None:
    assert found("class Rows: ...", "Rows = list[int]") == ["Rows"]
    assert found("class _Rows: ...", "class Rows: ...") == ["Rows"]
    assert found("Rows: TypeAlias = list", "Rows = tuple") == ["Rows"]


def test_constants_and_type_variables_are_no_types() -> None:
    assert found("ROWS = 3", "ROWS = 4") == []
    assert found("Item = TypeVar('Item')", "Item = TypeVar('Item')") == []


def test_what_every_file_of_a_folder_defines_is_one_thing() -> None:
    model = "class Model: ..."
    assert found(model, model, model, folders=["models"] * 3) == []
    assert found(model, model, model, model, folders=["models"] * 3 + ["base"]) == []
    assert found(model, model, "class Other: ...", folders=["models"] * 3) == ["Model"]


def test_the_models_have_params_and_a_model_in_common() -> None:
    assert contracts(FILES)["pipeline/models"] == {"Model", "Params"}


def test_a_name_of_a_class_or_a_type_occurs_once_in_the_project() -> None:
    assert len(FILES) > 100
    assert doubled(FILES) == {}
