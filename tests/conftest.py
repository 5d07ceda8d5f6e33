"""How a test run collects the tests, and which files of them one process runs."""

import gc
from collections.abc import Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

OF_NETWORKS = ("tests/networks/", "tests/weights/", "tests/extraction/test_embedding.py")
OF_ONE_RUN = "tests/studies/comparison/"  # for which another process would wait
APART = "tests/networks/test_third_network.py"  # whose networks are its own


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect the tests without a search for garbage, which would take a third of the time and find none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class _SharersTogether(LoadFileScheduling):
    """A file at a time, but as one those that share what takes seconds: TensorFlow and whole networks, or a run."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        if file.startswith(OF_ONE_RUN):
            return OF_ONE_RUN
        return "networks" if file.startswith(OF_NETWORKS) and file != APART else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Keep those files together where whole files are given out, as ``make test`` has it."""
    return _SharersTogether(config, log) if config.getoption("dist") == "loadfile" else None
