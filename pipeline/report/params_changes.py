"""What of a run's parameters differs from those that the project comes with."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import yaml

from pipeline.errors import ParamsError
from pipeline.report.leaves import leaves
from pipeline.settings.params import LARGEST_PARAMS_BYTES
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

MAX_PARAMS = 5000  # of a file: aliases of YAML make many values of a line
DEFAULTS = Path(__file__).with_name("default_params.yaml")
"""A copy of the project's params.yaml that is installed with it, so that no repository has to be asked."""


class Change(NamedTuple):
    """A parameter that is not as the project has it.

    Attributes:
        name: dotted name, such as ``model.dropout``.
        value: in the run, as YAML; None: it is not there.
        default: in the project; None: it has none.
    """

    name: str
    value: str | None
    default: str | None


def params_changes(path: AnyPath, defaults: AnyPath = DEFAULTS) -> list[Change]:
    """Return the parameters that differ, in the order of the run's file, those it lacks last.

    Args:
        path: params.yaml of the run.
        defaults: that of the project.

    Raises:
        ParamsError: a file is missing or holds no sections.
    """
    ours, theirs = (_read(Path(file)) for file in (path, defaults))
    names = [name for name in dict.fromkeys([*ours, *theirs]) if ours.get(name) != theirs.get(name)]
    return [Change(name, ours.get(name), theirs.get(name)) for name in names]


def read_value(path: AnyPath, name: str) -> str | None:
    """Return a parameter of params.yaml as YAML, None where it is null or missing.

    Raises:
        ParamsError: the file is missing or holds no sections.
    """
    value = _read(Path(path)).get(name)
    return None if value == "null" else value


def _read(path: Path) -> dict[str, str]:
    """The values of a params file by dotted name, each as one line of YAML."""
    try:
        found = yaml.safe_load(read_regular(path, LARGEST_PARAMS_BYTES).decode())
        if not isinstance(found, Mapping):
            raise ValueError(type(found).__name__)
        values = list(islice(leaves(found), MAX_PARAMS + 1))
        if len(values) > MAX_PARAMS:
            raise ValueError(f"more than {MAX_PARAMS} values")
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ParamsError(f"{path}: {error}; expected sections of key: value") from error
    return {name: _as_yaml(value) for name, value in values}


def _as_yaml(value: object) -> str:
    """A value as one line of YAML.

    Example:
        >>> _as_yaml([0, 1]), _as_yaml(None), _as_yaml("none")
        ('[0, 1]', 'null', 'none')
    """
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("...\n").strip()
