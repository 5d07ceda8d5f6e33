import numpy as np
import pytest
from numpy.typing import NDArray
from pystoi import stoi as of_package

from pipeline.dataset.scenes.people import make_person
from pipeline.dataset.scenes.voices import make_speech, make_voice
from pipeline.separation.measures import speech

RNG = np.random.default_rng(0)
VOICE = make_voice(make_speech(3.0, RNG), make_person(RNG), 8000, 0.0, RNG)


def test_stoi_is_that_of_its_package_and_falls_with_noise() -> None:
    noises = [VOICE + level * RNG.normal(size=len(VOICE)) for level in (0.0, 0.05, 0.5)]
    values = [speech.stoi(VOICE, noisy, 8000) for noisy in noises]
    assert values == [pytest.approx(float(of_package(VOICE, noisy, 8000))) for noisy in noises]
    assert values[0] == pytest.approx(1.0)
    assert values == sorted(values, key=lambda value: -(value or 0))


@pytest.mark.parametrize("sound", [VOICE[:2000], np.pad(VOICE[4000:4400], (0, 20000))], ids=["short", "a click"])
def test_too_little_speech_has_no_stoi(sound: NDArray[np.float32]) -> None:
    assert speech.stoi(sound, sound, 8000) is None


def test_pesq_is_for_two_rates() -> None:
    assert not speech.has_pesq(11025)


def test_pesq_is_highest_for_the_voice_itself() -> None:
    pytest.importorskip("pesq", reason="the extra `speech` is not installed")
    clean, noisy = (speech.pesq(VOICE, VOICE + level * RNG.normal(size=len(VOICE)), 8000) for level in (0, 0.1))
    assert clean is not None
    assert noisy is not None
    assert clean > 4 > noisy
