"""Section ``dataset`` of params.yaml, with changes."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.dataset.windows import WindowedParams
from tests.helpers.yaml_text import read_yaml

PARAMS_FILE = Path(__file__).parents[2] / "params.yaml"


@cache
def _section() -> dict[str, Any]:
    """The section as it stands there; nothing may change it."""
    section: dict[str, Any] = read_yaml(PARAMS_FILE.read_text(encoding="utf-8"))["dataset"]
    return section


def dataset_params(**changes: Any) -> WindowedParams:  # noqa: ANN401 - whatever a user may write
    return WindowedParams.model_validate(copy.deepcopy(_section()) | changes)
