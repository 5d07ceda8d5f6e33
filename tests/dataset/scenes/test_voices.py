import numpy as np
import pytest

from pipeline.dataset.scenes.people import make_person
from pipeline.dataset.scenes.voices import CONTROL_HZ, VOWELS_HZ, Speech, make_speech, make_voice

RATE = 16000
PERSON = make_person(np.random.default_rng(3))


def held(vowel: int, loudness: float = 1.0, seconds: float = 1.0) -> Speech:
    """One vowel at one pitch."""
    n = round(seconds * CONTROL_HZ)
    return Speech(np.full(n, loudness), np.zeros(n), np.ones(n), np.tile(VOWELS_HZ[vowel], (n, 1)))


def test_a_voice_has_the_pitch_of_its_person() -> None:
    sound = make_voice(held(0), PERSON, RATE, 0.0, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    peaks = [k * PERSON.f0_hz for k in range(1, 6)]
    for peak in peaks:
        at = round(peak * len(sound) / RATE)
        assert spectrum[at - 3 : at + 4].max() > 5 * np.median(spectrum[at - 40 : at + 40])


@pytest.mark.parametrize(("vowel", "first_formant_hz"), [(0, 730.0), (2, 270.0)])
def test_the_loudest_tones_are_at_the_formants_of_the_vowel(vowel: int, first_formant_hz: float) -> None:
    low = PERSON._replace(f0_hz=100.0, tilt=0.6, tract=1.0)
    sound = make_voice(held(vowel), low, RATE, 0.0, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(sound))[: round(1000 * len(sound) / RATE)]
    assert np.argmax(spectrum) * RATE / len(sound) == pytest.approx(first_formant_hz, abs=120)


def test_the_mouth_opens_with_the_first_formant_and_widens_with_the_second() -> None:
    a, i, u = held(0), held(2), held(4)
    assert a.opening[50] > 2 * i.opening[50]
    assert i.spread[50] > 0.8 > 0.2 > u.spread[50]
    closed = held(0, loudness=0.0)
    assert (closed.opening == 0).all()
    assert (closed.spread == 0.5).all()


def test_sound_is_there_when_the_mouth_is_open() -> None:
    speech = make_speech(3.0, np.random.default_rng(1))
    sound = make_voice(speech, PERSON, RATE, 0.5, np.random.default_rng(2))
    level = np.sqrt(np.square(sound[: 300 * 160].reshape(300, 160)).mean(axis=1))
    assert len(speech.opening) == 300
    assert np.corrcoef(level, speech.loudness)[0, 1] > 0.8
    assert 0.2 < (speech.loudness > 0.3).mean() < 0.95


def test_what_is_said_is_of_the_seed() -> None:
    one, two, other = (make_speech(2.0, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.loudness, two.loudness)
    assert not np.array_equal(one.loudness, other.loudness)
