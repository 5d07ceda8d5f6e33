"""Gains of duets by hand: white noises whose SI-SDR is known from their powers."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from studies.duets import gains


def test_the_gain_is_how_much_of_the_other_source_is_gone(tmp_path: Path) -> None:
    """Equal powers: the mixture is at 0 dB; with a tenth of the other's amplitude left an estimate is at 20 dB."""
    left, right = np.random.default_rng(0).normal(0, 0.1, (2, 80_000)).astype(np.float32)
    (tmp_path / "duets/sources").mkdir(parents=True)
    (tmp_path / "apart").mkdir()
    sounds = {
        "duets/sources/a_left": left,
        "duets/sources/a_right": right,
        "duets/sources/ab_left": 0 * left,  # of another film
        "apart/mixture": left + right,
        "apart/left": 3 * (left + 0.1 * right)[:79_000],
        "apart/right": right + 0.5 * left,
    }
    for name, sound in sounds.items():
        wavfile.write(tmp_path / f"{name}.wav", 8000, sound)
    found = {gain.track: gain.gain_db for gain in gains(tmp_path / "duets", "a", tmp_path / "apart")}
    assert found == {"left": pytest.approx(20, abs=0.3), "right": pytest.approx(6.02, abs=0.3)}
