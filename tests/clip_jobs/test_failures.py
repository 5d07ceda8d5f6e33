"""What an error that nobody expected becomes."""

import errno
from fractions import Fraction

import pytest

from pipeline.clip_jobs.failures import place, refusal_of
from pipeline.errors import ClipError


def caught(error: Exception) -> Exception:
    try:
        raise error
    except Exception as raised:
        return raised


def refusal(error: Exception) -> ClipError:
    return refusal_of("a.mp4", caught(error))


@pytest.mark.parametrize(
    "error", [KeyError(0), RuntimeError("no kernel"), OSError(errno.EPERM, "no"), RecursionError()]
)
def test_an_error_names_its_type_and_place(error: Exception) -> None:
    made = refusal(error)
    assert made.kind == "failed"
    assert made.problem.startswith(f"{type(error).__name__} at tests/clip_jobs/test_failures.py:")
    assert made.expected == "a program that can handle this file: please report it"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA out of memory."),
    ],
)
def test_too_little_memory_is_a_kind_of_its_own(error: Exception) -> None:
    made = refusal(error)
    assert made.kind == "out_of_memory"
    assert made.problem.startswith("out of memory at tests/clip_jobs/test_failures.py:")


def test_an_error_of_a_library_is_placed_where_the_project_called_it() -> None:
    with pytest.raises(ValueError, match="Invalid literal") as error:
        Fraction("no number")
    assert place(error.value).startswith("tests/clip_jobs/test_failures.py:")


def test_an_error_without_a_traceback_has_an_unknown_place() -> None:
    assert place(ValueError("never raised")) == "an unknown place"
