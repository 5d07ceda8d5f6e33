"""Names of any source can be printed, or the run stops before anything is written."""

import json
from pathlib import Path

import h5py
import pytest

from pipeline.dataset.names import check_name, check_names
from pipeline.dataset.scan import scan
from pipeline.errors import ClipError, DataError, printable
from pipeline.formats.clips import Clip
from pipeline.settings.limits import load_limits
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import arrays_a, make_pairs, write_h5

PAIRS = make_pairs()


@pytest.mark.parametrize("name", ["", "été 🎺", 'a, "b"', "=1", " a ", "👩‍🎤"])
def test_any_name_that_can_be_printed_is_one(name: str) -> None:
    check_name(name, "here", load_limits())


@pytest.mark.parametrize("field", ["clip_id", "path", "label", "source_id"])
def test_a_clip_with_a_control_character_is_named(field: str) -> None:
    clip = Clip(**{"clip_id": "a", "path": "a", "label": "cat", field: "a\0"})  # type: ignore[arg-type]  # all texts
    with pytest.raises(DataError, match=rf"x\.csv: {field} 'a\\x00' holds U\+0000; expected no control character"):
        check_names([clip], "x.csv", load_limits())


def test_names_in_a_feature_file_are_checked_too(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "x.h5", arrays_a(PAIRS))
    names = [f"class {label}" for label in range(int(PAIRS.labels.max()) + 1)]
    with h5py.File(path, "a") as file:
        for side, rows in (("train", PAIRS.is_train), ("test", ~PAIRS.is_train)):
            file[f"clip_ids_{side}"] = [f"{side}{i}" for i in range(rows.sum())]
            file[f"split_{side}"] = [side] * rows.sum()
        file.attrs["classes"] = json.dumps([*names[:-1], f"{names[-1]}\x1b[31m"])
    with pytest.raises(DataError, match=r"x\.h5: label 'class \d\\x1b\[31m' holds U\+001B"):
        scan(dataset_params(source="features", path=path))


def test_no_message_makes_a_terminal_do_anything() -> None:
    text = "\x1b]0;pwned\x07\x1b[31mv\u202e\u2028\udce9\r"
    for error in (DataError(text), ClipError(text, "missing", text, text)):
        assert str(error).isprintable()
    assert str(DataError("one\ntwo")) == "one\ntwo"
    assert printable("one\ntwo é") == "one\\ntwo é"
