"""Texts survive their arrays, and arrays that are none are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats.texts import pack_texts, unpack_texts


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_texts_survive(texts: list[str]) -> None:
    arrays = pack_texts({"names": texts, "others": ["x"]})
    assert unpack_texts(arrays, "names") == texts
    assert arrays["names"].tobytes() == "".join(texts).encode()


@pytest.mark.parametrize(
    ("data", "offsets"),
    [
        ("ab", [0, 2, 1]),
        ("ab", [0, 100]),
        ("ab", [-1, 2]),
        ("ab", []),
        ("ab", [[0, 2]]),
        ("ab", [0.0, 2.0]),
        (b"\xff\xfe", [0, 2]),
        (b"\xc3\xa9", [0, 1, 2]),
    ],
)
def test_what_is_no_text_is_refused(data: str | bytes, offsets: list[int]) -> None:
    letters = np.frombuffer(data.encode() if isinstance(data, str) else data, np.uint8)
    with pytest.raises(ValueError, match=r"[Oo]ffset|UTF8|packed"):
        unpack_texts({"names": letters, "names_offsets": np.array(offsets)}, "names")


def test_texts_of_a_fixed_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"names: <U1 with int64 of shape .*; expected packed texts"):
        unpack_texts({"names": np.array(["a"]), "names_offsets": np.array([0, 1])}, "names")
