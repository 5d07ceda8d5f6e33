"""What the tests of the loop over clips run with."""

import pytest

from pipeline.clip_jobs.engines import prepare


@pytest.fixture(scope="module")
def _workers_start_warm() -> None:
    prepare(["pipeline.clip_jobs.loop", "tests.helpers.clip_work"])


@pytest.fixture
def _two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_WORKERS", "2")
    monkeypatch.delenv("AVR_ENGINE", raising=False)
