"""How a test run collects the tests, and which files of them one process runs."""

import gc
from collections.abc import Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

OF_NETWORKS = ("tests/networks/", "tests/weights/", "tests/extraction/test_embedding.py")
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


class _FilesOfNetworksTogether(LoadFileScheduling):
    """A file at a time, but all that need TensorFlow or whole networks as one: a process makes these for seconds."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "networks" if file.startswith(OF_NETWORKS) and file != APART else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Keep those files together where whole files are given out, as ``make test`` has it."""
    return _FilesOfNetworksTogether(config, log) if config.getoption("dist") == "loadfile" else None
