"""A folder with a small table of features and the parameters of one model, in which searches run in one process."""

from pathlib import Path

import pytest

from tests.helpers.tune_search import write_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_WORKERS", "1")
    write_project(tmp_path)
    return tmp_path
