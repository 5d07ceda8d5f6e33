"""Limits: the section that ships is whole, and a refusal counts as long as the limit that it names."""

from pathlib import Path

import pytest

from pipeline.errors import ParamsError
from pipeline.settings.limits import Limits, load_limits
from pipeline.settings.params import load_params
from tests.helpers.project import ROOT

SHIPPED = load_params("limits", Limits, ROOT / "params.yaml")


@pytest.mark.parametrize("key", Limits.model_fields)
def test_every_limit_is_above_zero_and_checked(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(f"limits: { {**SHIPPED.model_dump(), key: 0} }")
    with pytest.raises(ParamsError, match=rf"limits\.{key}: .*greater than 0"):
        load_limits()


@pytest.mark.parametrize("key", Limits.model_fields)
def test_a_refusal_counts_as_long_as_its_limit_has_the_same_value(key: str) -> None:
    refusal = f"clip 'a.mp4': it is too much; expected at most {SHIPPED.named(key)}"
    assert not SHIPPED.differ_from(refusal)
    assert SHIPPED.model_copy(update={key: 7}).differ_from(refusal)
    assert SHIPPED.model_copy(update={key: 0.25}).differ_from(refusal)


def test_a_refusal_that_names_no_limit_always_counts() -> None:
    assert not SHIPPED.differ_from("clip 'a.mp4': 2 bytes; expected a media file")
