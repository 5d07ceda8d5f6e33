"""The music of the demo of players: six timbres with one range of pitches, and notes at random times.

What is heard of a clip beside its timbre, when notes begin, how loud and how high they are, says nothing of its class.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONTROL_HZ = 100
LOWEST_HZ, N_SEMITONES = 196.0, 24
NOTE_SECONDS = (0.25, 0.9)
REST_SECONDS = (0.05, 0.7)
VELOCITY = (0.4, 1.0)
RELEASE_SECONDS = 0.06
HIGHEST_HZ = 5000.0
PEAK = 0.7

Envelope = NDArray[np.float64]


class Timbre(NamedTuple):
    """What an instrument sounds like.

    Attributes:
        ratios: frequencies of the partials over the first one.
        levels: of each partial.
        attack_seconds: until a note is at its loudest.
        half_seconds: in which it falls by half from then on.
        breath: level of the noise that sounds with it.
    """

    ratios: tuple[float, ...]
    levels: tuple[float, ...]
    attack_seconds: float
    half_seconds: float
    breath: float


TIMBRES = {
    "bell": Timbre((1.0, 2.76, 5.40, 8.93), (1.0, 0.6, 0.4, 0.2), 0.01, 0.35, 0.0),
    "brass": Timbre((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0), (0.4, 0.7, 1.0, 0.9, 0.7, 0.5, 0.3, 0.2), 0.06, 2.0, 0.0),
    "clarinet": Timbre((1.0, 3.0, 5.0, 7.0, 9.0), (1.0, 0.7, 0.45, 0.3, 0.15), 0.04, 2.0, 0.0),
    "flute": Timbre((1.0, 2.0, 3.0), (1.0, 0.25, 0.06), 0.08, 2.0, 0.05),
    "organ": Timbre((1.0, 2.0, 4.0, 8.0), (0.8, 1.0, 0.8, 0.6), 0.03, 5.0, 0.0),
    "string": Timbre((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), (1.0, 0.5, 0.33, 0.25, 0.2, 0.17, 0.14), 0.01, 0.6, 0.0),
}


class Note(NamedTuple):
    """One note.

    Attributes:
        start_seconds, seconds: when it begins, and how long it is held.
        pitch_hz: of its first partial.
        velocity: its level, to 1.
    """

    start_seconds: float
    seconds: float
    pitch_hz: float
    velocity: float


def make_tune(seconds: float, rng: np.random.Generator) -> list[Note]:
    """Return notes one after another, at least one, with rests between them.

    Args:
        seconds: length of the clip.
        rng: where every draw comes from.
    """
    notes, at = list[Note](), float(rng.uniform(0, 0.3))
    while at < seconds - NOTE_SECONDS[0]:
        held = min(float(rng.uniform(*NOTE_SECONDS)), seconds - at)
        pitch_hz = LOWEST_HZ * 2 ** (int(rng.integers(N_SEMITONES + 1)) / 12)
        notes.append(Note(at, held, pitch_hz, float(rng.uniform(*VELOCITY))))
        at += held + float(rng.uniform(*REST_SECONDS))
    return notes


def envelope_of(tune: list[Note], timbre: Timbre, seconds: float, rate: float = CONTROL_HZ) -> Envelope:
    """Return how loud a tune is, (round(seconds * rate),) in [0, 1]: what moves an arm.

    Args:
        tune: its notes.
        timbre: whose attack and fall they have.
        seconds: length of the clip.
        rate: values a second.
    """
    times = np.arange(round(seconds * rate)) / rate
    loudness = np.zeros(len(times))
    for note in tune:
        loudness = np.maximum(loudness, note.velocity * _shape(times - note.start_seconds, note.seconds, timbre))
    return loudness


def varied(timbre: Timbre, amount: float, rng: np.random.Generator) -> Timbre:
    """Return the timbre of one instrument of its kind.

    Args:
        timbre: of the kind.
        amount: how much the levels of its partials vary, as a standard deviation of their logarithms.
        rng: where every draw comes from.
    """
    factors = np.exp(amount * rng.normal(size=len(timbre.levels)))
    return timbre._replace(levels=tuple((np.array(timbre.levels) * factors).tolist()))


def make_music(
    tune: list[Note], timbre: Timbre, seconds: float, sample_rate: int, noise: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the sound (n_samples,) float32 of a tune, with some noise of a place.

    Args:
        tune: its notes.
        timbre: what plays them.
        seconds: length of the clip.
        sample_rate: in Hz.
        noise: level of the noise of the place.
        rng: where phases and noise come from.

    Returns:
        float32 in [-1, 1], of 16 bits.
    """
    music = np.zeros(round(seconds * sample_rate))
    for note in tune:
        first = round(note.start_seconds * sample_rate)
        n = min(round((note.seconds + 4 * RELEASE_SECONDS) * sample_rate), len(music) - first)
        times = np.arange(n) / sample_rate
        music[first : first + n] += note.velocity * _tone(note, timbre, times, rng)
    music /= np.abs(music).max() or 1.0
    music += noise * rng.normal(0, 1, len(music))
    music *= PEAK / np.abs(music).max()
    return (np.rint(music * 32767) / 32768).astype(np.float32)


def _tone(note: Note, timbre: Timbre, times: Envelope, rng: np.random.Generator) -> Envelope:
    """The sound (n,) of a note from its start on, without its velocity."""
    tone = timbre.breath * rng.normal(0, 1, len(times))
    for ratio, level in zip(timbre.ratios, timbre.levels, strict=True):
        if ratio * note.pitch_hz < HIGHEST_HZ:
            tone += level * np.sin(2 * np.pi * ratio * note.pitch_hz * times + rng.uniform(0, 2 * np.pi))
    return np.asarray(tone * _shape(times, note.seconds, timbre))


def _shape(since: Envelope, held: float, timbre: Timbre) -> Envelope:
    """How loud a note of full velocity is, (n,) in [0, 1], at seconds after its start."""
    rise = np.clip(since / timbre.attack_seconds, 0, 1)
    fall = 0.5 ** (np.maximum(since - timbre.attack_seconds, 0) / timbre.half_seconds)
    release = np.exp(-np.maximum(since - held, 0) / RELEASE_SECONDS)
    return np.asarray(rise * fall * release)
