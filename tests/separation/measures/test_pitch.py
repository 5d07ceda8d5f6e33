import numpy as np
import pytest

from pipeline.dataset.scenes.people import make_person
from pipeline.dataset.scenes.voices import make_speech, make_voice
from pipeline.separation.measures.pitch import are_close, median_pitch


@pytest.mark.parametrize("seed", range(8))
def test_the_pitch_of_a_voice_is_the_one_that_it_was_made_with(seed: int) -> None:
    person = make_person(np.random.default_rng(seed))
    speech = make_speech(3.0, np.random.default_rng(seed))
    sound = make_voice(speech, person, 8000, 0.5, np.random.default_rng(seed))
    made = person.f0_hz * np.median(speech.pitch[speech.loudness > np.median(speech.loudness)])
    assert median_pitch(sound, 8000) == pytest.approx(made, rel=0.1)


def test_a_sound_shorter_than_a_window_has_a_pitch() -> None:
    assert median_pitch(np.sin(2 * np.pi * 200 * np.arange(300) / 8000), 8000) == pytest.approx(200, rel=0.05)


def test_close_is_within_a_third_of_an_octave() -> None:
    assert are_close(200, 200 * 2 ** (0.33))
    assert not are_close(200 * 2**0.34, 200)
