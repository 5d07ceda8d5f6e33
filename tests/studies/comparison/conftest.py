"""What the tests of the page share: a folder in which the command ran."""

from pathlib import Path

import pytest

from tests.helpers.compared import make_run, shorten_presets
from tests.helpers.made_once import made_once


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the command ran; nothing is written to it."""
    return made_once(tmp_path_factory, "comparison", make_run)


@pytest.fixture(autouse=True)
def _short_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the run."""
    shorten_presets(monkeypatch)
