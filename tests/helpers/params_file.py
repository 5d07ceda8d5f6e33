"""A params.yaml with changes, where a test runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.dataset_params import PARAMS_FILE
from tests.helpers.yaml_text import read_yaml


def with_limits(folder: Path, monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:  # noqa: ANN401 - numbers
    """Write the shipped params.yaml with other limits to a folder, and work there."""
    params = read_yaml(PARAMS_FILE.read_text(encoding="utf-8"))
    params["limits"] |= limits
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(folder)
