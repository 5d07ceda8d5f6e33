"""Limits: the section that ships is whole, and a refusal counts as long as the limit that it names."""

from pathlib import Path

import pytest

from pipeline.errors import ParamsError
from pipeline.settings.limits import Limits, keeps_one_sided, load_limits, uncounted_kinds
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


@pytest.mark.parametrize(("value", "kinds"), [("keep", ("no_audio", "no_video")), ("refuse", ())])
def test_what_lacks_a_track_counts_unless_one_side_is_kept(
    value: str, kinds: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(f"dataset: {{one_sided: {value}}}")
    assert uncounted_kinds() == kinds
    assert keeps_one_sided() == bool(kinds)


@pytest.mark.parametrize("value", ["both", "true", "null", "1"])
def test_another_word_for_one_side_is_refused(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(f"dataset: {{one_sided: {value}}}")
    with pytest.raises(ParamsError, match=r"dataset.one_sided: .*'refuse' or 'keep'"):
        uncounted_kinds()


def test_a_refusal_that_names_no_limit_always_counts() -> None:
    assert not SHIPPED.differ_from("clip 'a.mp4': 2 bytes; expected a media file")
