"""Section ``dataset`` of params.yaml, with changes."""

from pathlib import Path
from typing import Any

from pipeline.dataset.windows import WindowedParams
from tests.helpers.yaml_text import read_yaml

PARAMS_FILE = Path(__file__).parents[2] / "params.yaml"


def dataset_params(**changes: Any) -> WindowedParams:  # noqa: ANN401 - whatever a user may write
    section = read_yaml(PARAMS_FILE.read_text(encoding="utf-8"))["dataset"]
    return WindowedParams.model_validate(section | changes)
