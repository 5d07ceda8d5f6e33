"""The command ``python -m studies.protocols``: a table, and messages that begin with its name."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from pipeline.formats.embeddings import EmbeddedClips
from tests.helpers.project import ROOT


def run(data: Path) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "studies.protocols", str(data)]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT)


def test_without_a_run_it_ends_with_one_line(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr == f"protocols: {tmp_path}/embeddings: no embeddings; expected the data folder of a finished run\n"
    )


def test_a_model_that_knows_the_class_gets_one_and_one_that_was_left_out_no_row(tmp_path: Path) -> None:
    (tmp_path / "embeddings").mkdir()
    labels = np.arange(30) % 3
    known = np.eye(3, dtype=np.float32)[labels][None]
    for name, audio in {"knows": known, "left_out": np.zeros((0, 30, 0), np.float32)}.items():
        names = {"clip_ids": [f"{i}" for i in range(30)], "splits": ["test"] * 30, "classes": ["a", "b", "c"]}
        clips = EmbeddedClips(audio=audio, visual=audio, labels=labels, **names)
        clips.save(tmp_path / "embeddings" / f"{name}.npz")
    done = run(tmp_path)
    assert done.stdout.splitlines()[2:] == ["| knows | 1.000 | 1.000 |"], done.stderr
