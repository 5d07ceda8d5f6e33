"""What the errors of other libraries say, in words that a user can read."""

import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import h5py
import numpy as np
import pytest
from pydantic import TypeAdapter

from pipeline.errors import DataError, in_words

ANY = (LookupError, OSError, StopIteration, TypeError, ValueError, zipfile.BadZipFile, pickle.UnpicklingError)


def parse(text: bytes) -> object:
    return TypeAdapter(dict[str, str]).validate_json(text)


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        (lambda _: {}["models"], "no 'models' in it"),
        (lambda _: [][3], "not of the form that it should have"),
        (lambda _: len(3), "not of the form that it should have"),  # type: ignore[arg-type]  # the error this is about
        (lambda folder: (folder / "gone").read_bytes(), "No such file or directory"),
        (lambda folder: zipfile.ZipFile(folder / "bad"), "File is not a zip file"),
        (lambda folder: h5py.File(folder / "bad"), "Unable to .*open file"),
        (lambda folder: np.load(folder / "bad", allow_pickle=True), "Failed to interpret file .* as a pickle"),
        (lambda _: parse(b'{"a": 1}'), "^a: Input should be a valid string$"),
        (lambda _: parse(b"[1"), "Invalid JSON: EOF while parsing a list at line 1 column 2"),
        (lambda _: next(iter([])), "^damaged$"),
        (lambda _: urlopen("http://127.0.0.1:1/", timeout=5), "^Connection refused$"),
    ],
)
def test_an_error_of_a_library_is_one_line_without_python(
    fail: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    (tmp_path / "bad").write_bytes(b"nothing of the kind")
    with pytest.raises(ANY) as caught:
        fail(tmp_path)
    text = in_words(caught.value)
    assert re.search(words, text)
    assert "\n" not in text
    assert type(caught.value).__name__ not in text


def test_an_error_of_our_own_says_all_that_it_says() -> None:
    assert in_words(DataError("a.h5: cut; expected a whole file")) == "a.h5: cut; expected a whole file"


def test_no_message_of_the_project_holds_pythons_own_form_of_an_error() -> None:
    root = Path(__file__).parents[1]
    files = [path for folder in ("pipeline", "stages") for path in (root / folder).rglob("*.py")]
    assert [path.name for path in files if "{error!r}" in path.read_text(encoding="utf-8")] == []
