"""Files with damaged bytes, for every reader of the project: a value or an error of the project's own, and soon.

A plain test run tries the same damage every time, ``make fuzz`` other damage: FUZZ_EXAMPLES files for each reader.
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import TimeoutError as Hang

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pebble import ProcessExpired, ProcessPool

from tests.helpers.damage import Wound, wounds
from tests.helpers.readers import READERS, limit_memory, outcome, whole_bytes

TIMEOUT_SECONDS = 60  # of a busy machine; a file takes milliseconds
N_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
DEEP = (b"[" * 50_000, b"{" * 50_000, b'{"a":' * 50_000, b"- " * 3000)
NASTY = (b"\0", b"\xff\xfe", b"\r", b'"', b"NaN", b"1e999", b"-1", *DEEP)
WORDS = st.builds(Wound, st.floats(0, 1, exclude_max=True), st.sampled_from([0, 1, 5]), st.sampled_from(NASTY))


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    with ProcessPool(1, initializer=limit_memory, context=multiprocessing.get_context("spawn")) as made:
        yield made


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    return {name: whole_bytes(name) for name in READERS}


@pytest.mark.parametrize("name", READERS)
def test_a_whole_file_is_read(whole: dict[str, bytes], name: str) -> None:
    expected = "DataError" if name == "weights.pth" else "value"  # its tensors are those of no network
    assert outcome(name, whole[name]) == expected


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=N_EXAMPLES or 100, derandomize=not N_EXAMPLES, database=None, deadline=None, print_blob=False)
@given(hurt=st.lists(st.one_of(wounds(), WORDS), min_size=1, max_size=3))
def test_a_damaged_file_gives_a_value_or_an_error_of_the_project(
    pool: ProcessPool, whole: dict[str, bytes], name: str, hurt: list[Wound]
) -> None:
    data = whole[name]
    for wound in hurt:
        data = wound.inflict(data, 0, len(data))
    try:
        pool.schedule(outcome, [name, data], timeout=TIMEOUT_SECONDS).result()
    except (Hang, ProcessExpired) as end:
        pytest.fail(f"{name}: the child process ended with {end!r}")
