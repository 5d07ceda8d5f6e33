import pytest

from pipeline.settings.json_text import parse_json


def test_json_nested_deeper_than_python_can_go_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON that is nested too deep"):
        parse_json("[" * 100_000)
