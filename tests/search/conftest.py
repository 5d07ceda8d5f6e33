"""One finished run for the tests of this folder; each test runs in a folder and with a cache of its own."""

import os
from pathlib import Path

import pytest

from tests.helpers.search_run import SearchRun, make_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SearchRun:
    folder, before = tmp_path_factory.mktemp("run"), Path.cwd()
    os.chdir(folder)
    try:
        return make_run(folder, without=("vggish", "clip 7"))
    finally:
        os.chdir(before)


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without params.yaml, and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AVR_PROGRESS", "none")
    monkeypatch.setenv("AVR_WORKERS", "1")
