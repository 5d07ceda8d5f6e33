"""Which of its stages DVC runs, from what it tells the stage's command and from dvc.yaml; DVC itself is not asked."""

import os
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular


def stage_in_words(task: str) -> str:
    """Return what is done with its place in the pipeline: ``stage 2 of 34, logmel``; outside of DVC the task alone.

    DVC sets $DVC_STAGE for the command of a stage, and runs it in the folder of dvc.yaml. Where anything else is
    missing, the place is left out.

    Args:
        task: what is done, such as ``logmel``, or ``train, seed 0`` for a part of a stage.
    """
    stage = os.environ.get("DVC_STAGE", "").rpartition(":")[2]  # of another folder it is PATH/dvc.yaml:NAME
    if not stage:
        return task
    name, _, part = task.partition(", ")
    words = [_place(stage, Path.cwd()), stage, name if name not in stage.split("@") else "", part]
    return ", ".join(filter(None, words))


@cache
def _place(stage: str, folder: Path) -> str:
    """``stage 2 of 34``, or nothing where dvc.yaml, here or above a stage's own folder, does not tell."""
    pipeline = next((place for place in (folder, folder.parent) if (place / "dvc.yaml").exists()), folder)
    names = project_stages(pipeline)
    return f"stage {names.index(stage) + 1} of {len(names)}" if stage in names else ""


def project_stages(folder: AnyPath) -> list[str]:
    """Return the names of all stages of a folder with dvc.yaml; none where it and params.yaml do not tell."""
    try:
        pipeline, params = _read(Path(folder) / "dvc.yaml"), Path(folder) / "params.yaml"
        return list(stage_names(pipeline, _read(params) if params.exists() else {}))
    except (OSError, yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


def stage_names(pipeline: Any, params: Any) -> Iterator[str]:  # noqa: ANN401 - whatever the YAML files hold
    """Yield the names of all stages in their order, a ``foreach`` or ``matrix`` by its members, as DVC names them.

    Args:
        pipeline: content of dvc.yaml.
        params: content of params.yaml, for ``${...}``; what dvc.yaml itself has under ``vars`` counts too.

    Raises:
        LookupError: params.yaml has no such value.
    """
    own = {key: value for part in pipeline.get("vars", []) if isinstance(part, dict) for key, value in part.items()}
    params = {**params, **own}
    for name, stage in pipeline["stages"].items():
        if "foreach" in stage:
            yield from (f"{name}@{member}" for member in _members(_resolved(stage["foreach"], params)))
        elif "matrix" in stage:
            axes = [_members(_resolved(axis, params)) for axis in stage["matrix"].values()]
            yield from (f"{name}@{'-'.join(map(str, members))}" for members in product(*axes))
        else:
            yield name


def _resolved(value: Any, params: Any) -> Any:  # noqa: ANN401 - see stage_names
    """A value, or what params.yaml holds at its dotted name."""
    if not isinstance(value, str):
        return value
    for key in value.strip("${}").split("."):
        params = params[key]
    return params


def _members(values: Any) -> list[Any]:  # noqa: ANN401 - see stage_names
    """What stands behind the @: keys of a map, plain values of a list, places of other values."""
    if isinstance(values, dict):
        return list(values)
    return [place if isinstance(value, dict | list) else value for place, value in enumerate(values)]


def _read(path: Path) -> Any:  # noqa: ANN401 - see stage_names
    """The content of a YAML file."""
    return yaml.load(read_regular(path), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
