"""The command of the study of few labels."""

import sys
from pathlib import Path

import pytest

from studies.few_labels.__main__ import LABELS, main


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["few_labels", *words])
    main()


@pytest.mark.usefixtures("quick")
def test_the_command_prints_tables_and_draws_the_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    curves = tmp_path / "curves.png"
    run(monkeypatch, str(tmp_path / "work"), "--shared", "0.5", "--seeds", "0", "1", "--curves", str(curves))
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| made_hard | 0.5 |")]
    assert len(rows) == 3 * len(LABELS)
    assert curves.read_bytes().startswith(b"\x89PNG")


def test_a_set_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"few_labels: DataError: .*gone\.h5"):
        run(monkeypatch, str(tmp_path), f"digits={tmp_path / 'gone.h5'}")
