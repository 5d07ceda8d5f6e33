"""One word, one thing: a class or a type alias has a name of its own in the whole project.

Names of modules may repeat (``base``), since their folders tell them apart; a class is met without its folder.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

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

    A type variable is none, since it stands for any type; nor is a constant, whose name is in capitals, or a second
    name of a class beside it, such as ``Params = FramesParams``.
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            yield node.name.lstrip("_")
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not isinstance(node.value, ast.Call | ast.Name):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id.lstrip("_") for target in targets if isinstance(target, ast.Name)]
            yield from (name for name in names if name[:1].isupper() and not name.isupper())


def families(files: Iterable[str]) -> Iterator[list[str]]:
    """Files that stand for one thing each of a kind: three and more of a folder, or of one name in folders beside."""
    folders, names = defaultdict(list), defaultdict(list)
    for path in map(PurePosixPath, files):
        if path.name != "__init__.py":
            folders[path.parent].append(str(path))
            names[path.parent.parent, path.name].append(str(path))
    yield from (members for members in folders.values() if len(members) > 2)
    yield from (members for members in names.values() if len(members) > 1)


def contracts(files: Mapping[str, str]) -> dict[str, set[str]]:
    """By file the types that its whole family has, such as what a model must be: such a name stands for one thing."""
    common: dict[str, set[str]] = defaultdict(set)
    for members in families(files):
        shared = set.intersection(*(set(types_of(files[file])) for file in members))
        for file in members:
            common[file] |= shared
    return common


def doubled(files: Mapping[str, str]) -> dict[str, list[str]]:
    """Names that stand for several things, and the files of each; a contract's own definition is one place."""
    common, places = contracts(files), defaultdict(list)
    for file, source in files.items():
        for name in types_of(source):
            if name not in common[file]:
                places[name].append(file)
    return {name: found for name, found in places.items() if len(found) > 1}


def found(*sources: str, files: Iterable[str] = ()) -> list[str]:
    """The doubled names of sources, each in a folder and file of its own unless files are given."""
    names = list(files) or [f"folder_{i}/file_{i}.py" for i in range(len(sources))]
    return sorted(doubled(dict(zip(names, sources, strict=True))))


def test_a_class_or_an_alias_that_comes_twice_is_found() -> None:
    assert found("class Rows: ...", "Rows = list[int]") == ["Rows"]
    assert found("class _Rows: ...", "class Rows: ...") == ["Rows"]
    assert found("Rows: TypeAlias = list[int]", "Rows = tuple[int]") == ["Rows"]


def test_constants_type_variables_and_second_names_are_no_types() -> None:
    assert found("ROWS = 3", "ROWS = 4") == []
    assert found("Item = TypeVar('Item')", "Item = TypeVar('Item')") == []
    assert found("Params = FramesParams", "Params = LogMelParams") == []


def test_what_every_file_of_a_family_defines_is_one_thing() -> None:
    model, other = "class Model: ...", "class Other: ..."
    models = [f"models/{name}.py" for name in "abc"]
    assert found(model, model, model, files=models) == []
    assert found(model, model, model, model, files=[*models, "base.py"]) == []
    assert found(model, model, other, files=models) == ["Model"]
    assert found(model, model, files=["networks/a/about.py", "networks/b/about.py"]) == []
    assert found(model, model, files=["networks/a/about.py", "networks/b/other.py"]) == ["Model"]


def test_the_models_have_params_and_a_model_in_common() -> None:
    assert contracts(FILES)["pipeline/models/cca.py"] == {"Model", "Params"}


def test_a_name_of_a_class_or_a_type_occurs_once_in_the_project() -> None:
    assert len(FILES) > 100
    assert doubled(FILES) == {}
