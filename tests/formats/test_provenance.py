from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats.provenance import read_provenance, write_provenance


def test_facts_come_back_with_their_types(tmp_path: Path) -> None:
    facts = {"weights": "random", "seed": 5, "share": 0.5, "final_relu": True}
    write_provenance(tmp_path, facts)
    back = read_provenance(tmp_path)
    assert back == facts
    assert {name: type(value) for name, value in back.items()} == {name: type(value) for name, value in facts.items()}


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"[1]", b'{"a": [1]}', b"[" * 100_000], ids=str)
def test_a_damaged_or_missing_note_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "provenance.json").write_bytes(content)
    with pytest.raises(DataError, match=r"provenance.json: (.|\n)*; expected the note of a stage: run `dvc repro`"):
        read_provenance(tmp_path)
