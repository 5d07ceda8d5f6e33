"""A section of params.yaml becomes one frozen, checked model, or a ParamsError that names the key."""

import copy
import reprlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator

from pipeline.errors import ParamsError
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PARAMS_FILE = Path("params.yaml")
LARGEST_PARAMS_BYTES = 1 << 20
_SHORT = reprlib.Repr()  # of values from YAML, whose aliases make gigabytes of a line
_SHORT.maxstring = _SHORT.maxother = 300
_SHORT.maxlist = _SHORT.maxdict = 20
_SHORT.maxlevel = 3


class StageParams(BaseModel):
    """Base of every section: frozen; refuses a key that the section does not know, and true or false for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="wrap")
    @classmethod
    def _truth_is_no_number(cls, value: object, checked: ValidatorFunctionWrapHandler) -> object:
        """Pydantic takes true for 1, as Python does; its strict mode would refuse 1e-3 too, which is text to YAML."""
        field = checked(value)
        given = value if isinstance(value, list) else [value]
        if any(isinstance(item, bool) for item in given) and not isinstance(field, bool):
            raise ValueError("expected a number, not true or false (to YAML also yes, no, on and off)")
        return field


Params = TypeVar("Params", bound=BaseModel)


def read_section(section: str, path: AnyPath = PARAMS_FILE) -> object:
    """Return the raw value that stands at a dotted name in params.yaml.

    Args:
        section: dotted name, such as ``model`` or ``baselines.cca``.
        path: the YAML file.

    Raises:
        ParamsError: the file is missing or is no YAML, or the name is not in it.
    """
    path = Path(path)
    try:
        value = copy.deepcopy(_parsed(read_regular(path, LARGEST_PARAMS_BYTES)))
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror}; expected a params file in the current folder") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as bytes that are no UTF-8, the 99th of May
        raise ParamsError(f"{path}: not YAML ({error}); expected sections of key: value") from error
    for part in section.split("."):
        if not isinstance(value, dict) or part not in value:
            raise ParamsError(f"{path}: {section}: section is missing; expected a section of that name")
        value = value[part]
    return value


@lru_cache(maxsize=2)
def _parsed(data: bytes) -> object:
    """What YAML says; it takes 50 ms to read, and a stage asks for a dozen sections."""
    return yaml.safe_load(data.decode())


def load_params(section: str, cls: type[Params], path: AnyPath = PARAMS_FILE) -> Params:
    """Return the section of params.yaml as ``cls``.

    Args:
        section: dotted name, such as ``logmel`` or ``baselines.cca``.
        cls: the pydantic model of the section; it stands in the module that uses it.
        path: the YAML file.

    Raises:
        ParamsError: the section is missing, or a key is missing, unknown or out of range; all of them are named.
    """
    path = Path(path)
    value = read_section(section, path)
    try:
        return cls.model_validate(value)
    except ValidationError as error:
        problems = "; ".join(_problem(section, detail) for detail in error.errors())
        raise ParamsError(f"{path}: {problems}") from error


def model_sections(path: AnyPath = PARAMS_FILE, key: str = "models") -> dict[str, str]:
    """Return the models that are trained, and the section of each: ``models`` of params.yaml.

    Args:
        path: the YAML file.
        key: under which they stand.

    Raises:
        ParamsError: ``models`` is no map from names to sections, or is empty.
    """
    path = Path(path)
    value = read_section(key, path)
    if not isinstance(value, dict) or not value or not all(isinstance(section, str) for section in value.values()):
        raise ParamsError(f"{path}: {key}: {_SHORT.repr(value)}; expected NAME: SECTION for at least one model")
    return {str(name): section for name, section in value.items()}


def _problem(section: str, detail: "ErrorDetails") -> str:
    """One pydantic finding as ``section.key: what is wrong (got value)``."""
    name = ".".join([section, *map(str, detail["loc"])])
    if detail["type"] == "missing":
        return f"{name}: missing"
    if detail["type"] == "extra_forbidden":
        return f"{name}: unknown key"
    problem = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error" and isinstance(detail["input"], dict):  # of several keys, which it names
        return f"{name}: {problem}"
    return f"{name}: {problem} (got {_SHORT.repr(detail['input'])})"
