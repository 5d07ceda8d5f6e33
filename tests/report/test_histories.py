from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.report.histories import read_history


def test_each_seed_has_its_own_curve(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("seed,epoch,loss,validation_map\n0,0,9.5,0.1\n0,1,8,0.2\n7,0,9,\n")
    assert read_history(tmp_path) == {"loss": {"0": [(0, 9.5), (1, 8)], "7": [(0, 9)]}, "validation_map": {
        "0": [(0, 0.1), (1, 0.2)]
    }}  # fmt: skip


def test_a_closed_form_has_none(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("seed\n")
    assert read_history(tmp_path) == {}


@pytest.mark.parametrize("text", [None, "epoch,loss\n1,high\n", "epoch,loss\n1,2\n"])
def test_a_history_that_is_missing_or_none_is_named(text: str | None, tmp_path: Path) -> None:
    if text:
        (tmp_path / "history.csv").write_text(text)
    with pytest.raises(DataError, match=r"history\.csv: .*; expected what the stage `train` wrote"):
        read_history(tmp_path)
