"""From films of one speaker each to the sounds of a film of two, through the stages and the commands of a user."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from pipeline.separation.__main__ import duets, separate
from studies.duets import gains, measured
from tests.helpers.separation import Separation

TRAINED = {
    "talkers": {"n_people": 16, "clips_per_person": 4, "seconds": 2.0, "picture_size": 64},
    "mixtures": {"n_validation": 4, "n_test": 2, "seconds": 2.0},
    "visualvoice": {"seeds": [0], "steps": 240, "batch_size": 8, "lambda_match": 0.0, "mouth_dropout": 0.0},
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # it trains for minutes
LEAST_DB = 1.0  # over the mixture; the demo's own separator, trained for longer, gains several times as much


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a small separator is trained, and two duets of its test people."""
    folder = tmp_path_factory.mktemp("project")
    separation = Separation(folder / "separation/speech", tmp_path_factory.mktemp("cache"), TRAINED)
    separation.run("clips", "sounds", "views", "mixtures", "train@speech-visualvoice")
    with contextlib.chdir(folder):
        duets(Path("duets"), n=2)
    return folder


def test_both_sides_of_a_duet_are_nearer_to_the_truth_than_the_mixture(project: Path) -> None:
    with contextlib.chdir(project):
        found = list(measured(Path("duets"), "speech", "visualvoice"))
    assert {(gain.film, gain.track) for gain in found} == {
        (film, side) for film in ("test-0000", "test-0001") for side in ("left", "right")
    }
    assert np.mean([gain.gain_db for gain in found]) > LEAST_DB


def test_who_is_shown_decides_who_is_heard(project: Path, tmp_path: Path) -> None:
    """With the names of the tracks exchanged each estimate is that of the other."""
    tracks = (project / "duets/tracks.csv").read_text()
    exchanged = tracks.replace(",left,", ",?,").replace(",right,", ",left,").replace(",?,", ",right,")
    (tmp_path / "exchanged.csv").write_text(exchanged)
    with contextlib.chdir(project):
        separate(Path("duets/test-0000.mp4"), out=tmp_path / "own", tracks=Path("duets/tracks.csv"))
        separate(Path("duets/test-0000.mp4"), out=tmp_path / "other", tracks=tmp_path / "exchanged.csv")
    own, other = (wavfile.read(tmp_path / place)[1] for place in ("own/left.wav", "other/right.wav"))
    np.testing.assert_allclose(own, other, atol=1e-5)
    assert np.mean([gain.gain_db for gain in gains(project / "duets", "test-0000", tmp_path / "other")]) < 0
