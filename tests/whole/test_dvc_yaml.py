"""DVC follows no imports: a stage whose deps omit a file would go on serving an old result."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = ("pipeline", "stages")


def resolved_stages() -> dict[str, dict[str, Any]]:
    """The stages of dvc.yaml, those of a foreach with their ${key} and ${item} filled in."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    stages = {}
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        if "foreach" not in stage:
            stages[name] = stage
            continue
        members = params[stage["foreach"].strip("${}")]
        for key, item in members.items():
            text = yaml.safe_dump(stage["do"]).replace("${key}", key).replace("${item}", item)
            stages[f"{name}@{key}"] = yaml.safe_load(text)
    return stages


STAGES = resolved_stages()


def imports(path: Path) -> set[Path]:
    """Project files that a file imports, at any depth of its code, package __init__ files included."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = set()
    for name in names:
        parts = name.split(".")
        if parts[0] in PROJECT:
            candidates = [ROOT.joinpath(*parts).with_suffix(".py")]
            candidates += [ROOT.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
            found |= {candidate for candidate in candidates if candidate.exists()}
    return found


def reached(start: Path, also: set[Path]) -> set[str]:
    """All project files behind a script, relative to the root; empty files cannot change an answer.

    A package's templates are behind whoever imports it.
    """
    todo, seen = {start} | also, set()
    while todo:
        path = todo.pop()
        seen.add(path)
        todo |= (imports(path) if path.suffix == ".py" else set()) - seen
        todo |= set(path.parent.glob("*.jinja")) - seen if path.name == "__init__.py" else set()
    return {path.relative_to(ROOT).as_posix() for path in seen if path.read_text().strip()}


def needed(name: str) -> set[str]:
    """Project files behind a stage: those of its script, and of its model where it has one."""
    script, _, key = name.partition("@")
    model = {ROOT / "pipeline" / "models" / f"{key}.py"} if key else set()
    return reached(ROOT / "stages" / f"{script}.py", model)


@pytest.mark.parametrize("name", [name for name in STAGES if name != "dataset"])
def test_deps_of_a_stage_are_the_project_files_it_imports(name: str) -> None:
    missing = needed(name) - set(STAGES[name]["deps"])
    assert not missing, f"add to deps of {name}: {sorted(missing)}"


@pytest.mark.parametrize("script", sorted({name.partition("@")[0] for name in STAGES}))
def test_no_stage_waits_for_a_file_that_it_does_not_import(script: str) -> None:
    members = [name for name in STAGES if name.partition("@")[0] == script]  # a foreach has one list for all
    declared = {dep for name in members for dep in STAGES[name].get("deps", []) if dep.endswith((".py", ".jinja"))}
    assert declared <= set().union(*map(needed, members))


def test_every_stage_is_one_script_of_its_name() -> None:
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__", "cli", "export"}
    assert {name.partition("@")[0] for name in STAGES} == scripts


@pytest.mark.parametrize("name", STAGES)
def test_the_command_names_every_data_dep_and_out(name: str) -> None:
    stage = STAGES[name]
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in stage["outs"] + stage.get("metrics", [])]
    inputs = [dep for dep in stage.get("deps", []) if dep.startswith("data/")]
    words = stage["cmd"].split()
    beside = {"data/pca.safetensors", "data/rejected.csv"} if name == "features" else set()
    missing = [
        path for path in inputs + outs if not any(path.startswith(word) for word in words) and path not in beside
    ]
    assert missing == []


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_says_what_it_does(name: str) -> None:
    assert len(STAGES[name]["desc"]) > 20


def test_every_out_is_ignored_by_git_by_hand() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    outs = {str(out).split("/")[0] for stage in STAGES.values() for out in stage["outs"]}
    assert {f"/{out}/" for out in outs} <= set(ignored)
