"""The speech of the demo of talkers: syllables of five vowels, pauses and noise for consonants, and what lips do.

A voice is a sum of harmonics whose levels follow the formants of the vowel of the moment. The mouth opens with loudness
and the first formant, and widens with the second.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.scenes.people import Person

VOWELS_HZ = (  # the first three formants of men's vowels: Peterson & Barney (1952), JASA 24
    (730.0, 1090.0, 2440.0),
    (530.0, 1840.0, 2480.0),
    (270.0, 2290.0, 3010.0),
    (570.0, 840.0, 2410.0),
    (300.0, 870.0, 2240.0),
)
BANDWIDTHS_HZ = (90.0, 110.0, 170.0)
SYLLABLE_SECONDS = (0.12, 0.32)
PAUSE_SECONDS = (0.08, 0.45)
PAUSE_PROBABILITY = 0.3
CONSONANT_SECONDS = 0.05
CONTROL_HZ = 100
HIGHEST_HZ = 3800.0
PEAK = 0.7
_GLIDE_SECONDS = 0.03  # how fast formants and loudness move
_WALK, _WALK_SECONDS = 0.012, 0.4  # of the pitch: its steps, as a fraction, and the time over which they are smoothed
_JITTER = 0.002  # of the pitch, as a fraction
_OPEN_HZ, _WIDE_HZ = (250.0, 760.0), (800.0, 2350.0)  # F1 of a closed and an open mouth, F2 of a round and a wide one

Course = NDArray[np.float64]  # (n,), at CONTROL_HZ


class Speech(NamedTuple):
    """What moves a voice and a mouth, at 100 values a second.

    Attributes:
        loudness: (n,) in [0, 1].
        noise: (n,) of the consonants.
        pitch: (n,) over the mean one.
        formants_hz: (n, 3) of a mean tract.
    """

    loudness: Course
    noise: Course
    pitch: Course
    formants_hz: Course

    @property
    def opening(self) -> Course:
        """How open the mouth is, (n,) in [0, 1]."""
        low, high = _OPEN_HZ
        return self.loudness * np.clip(0.25 + 0.75 * (self.formants_hz[:, 0] - low) / (high - low), 0, 1)

    @property
    def spread(self) -> Course:
        """How wide the mouth is, (n,) in [0, 1]; half at rest."""
        low, high = _WIDE_HZ
        wide = np.clip((self.formants_hz[:, 1] - low) / (high - low), 0, 1)
        return 0.5 + self.loudness * (wide - 0.5)


def make_speech(seconds: float, rng: np.random.Generator) -> Speech:
    """Return the course of a clip: syllables at random with pauses between some of them.

    Args:
        seconds: length of the clip.
        rng: where every draw comes from.
    """
    n = round(seconds * CONTROL_HZ)
    loudness, noise, formants = np.zeros(n), np.zeros(n), np.tile(np.mean(VOWELS_HZ, axis=0), (n, 1))
    at = rng.uniform(0, 0.2)
    while at < seconds:
        length = rng.uniform(*SYLLABLE_SECONDS)
        start, stop = round(at * CONTROL_HZ), round((at + length) * CONTROL_HZ)
        loudness[start:stop] = rng.uniform(0.5, 1.0)
        formants[start:] = VOWELS_HZ[int(rng.integers(len(VOWELS_HZ)))]
        if rng.random() < 0.6:
            noise[max(0, start - round(CONSONANT_SECONDS * CONTROL_HZ)) : start] = rng.uniform(0.3, 1.0)
        at += length + (rng.uniform(*PAUSE_SECONDS) if rng.random() < PAUSE_PROBABILITY else 0.04)
    moved = [_glide(column) for column in formants.T]
    return Speech(_glide(loudness), _glide(noise), _intonation(n, rng), np.stack(moved, axis=1))


def make_voice(
    speech: Speech, person: Person, sample_rate: int, difficulty: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the sound (n_samples,) float32 of a person who says something, with some noise of a place.

    Args:
        speech: what is said.
        person: who says it.
        sample_rate: in Hz, at least 8000.
        difficulty: in [0, 1]; raises the noise of the place and how much a voice varies.
        rng: where every draw comes from.

    Returns:
        float32 in [-1, 1], of 16 bits.
    """
    n_samples = len(speech.loudness) * sample_rate // CONTROL_HZ
    at = np.arange(n_samples) * (CONTROL_HZ / sample_rate)
    wander = 1 + 0.1 * difficulty * rng.uniform(-1, 1)
    f0_hz = np.interp(at, np.arange(len(speech.pitch)), speech.pitch * person.f0_hz * wander)
    phase = 2 * np.pi * np.cumsum(f0_hz) / sample_rate + rng.uniform(0, 2 * np.pi)
    voice = np.zeros(n_samples)
    for k in range(1, int(HIGHEST_HZ / person.f0_hz) + 1):
        level = speech.loudness * _level(k * speech.pitch * person.f0_hz, speech.formants_hz / person.tract)
        voice += np.interp(at, np.arange(len(level)), level) * k**-person.tilt * np.sin(k * phase)
    hiss = np.diff(rng.normal(0, 1, n_samples + 1))  # high tones above low ones
    voice /= np.abs(voice).max() or 1.0
    voice += 0.08 * np.interp(at, np.arange(len(speech.noise)), speech.noise) * hiss
    voice += 0.002 * (1 + difficulty) * rng.normal(0, 1, n_samples)
    voice *= PEAK / np.abs(voice).max()
    return (np.rint(voice * 32767) / 32768).astype(np.float32)


def _intonation(n: int, rng: np.random.Generator) -> Course:
    """A pitch (n,) over the mean one: the waves of phrases, a walk without steps, and some jitter."""
    waves = 1 + 0.08 * np.sin(2 * np.pi * rng.uniform(0.4, 1.2) * np.arange(n) / CONTROL_HZ + rng.uniform(0, 6.28))
    walk = _smoothed(np.cumsum(rng.normal(0, _WALK, n)), _WALK_SECONDS)
    return np.asarray(waves * np.exp(walk - walk.mean() + rng.normal(0, _JITTER, n)))


def _level(frequency_hz: Course, formants_hz: Course) -> Course:
    """What the tract lets through of a tone (n,), a resonance a formant."""
    total = np.full(len(frequency_hz), 0.02)
    for k, bandwidth_hz in enumerate(BANDWIDTHS_HZ):
        away = (frequency_hz - formants_hz[:, k]) / bandwidth_hz
        total += 0.6**k / (1 + away**2)
    return np.where(frequency_hz < HIGHEST_HZ, total, 0.0)


def _glide(track: Course) -> Course:
    """A track (n,) whose steps take some time."""
    return _smoothed(track, 2 * _GLIDE_SECONDS)


def _smoothed(track: Course, seconds: float) -> Course:
    """A track (n,) whose every value is a mean over some time, Hann-weighted; its ends are kept."""
    width = round(seconds * CONTROL_HZ) // 2 * 2 + 1
    window = np.hanning(width + 2)[1:-1]
    padded = np.pad(track, width // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")
