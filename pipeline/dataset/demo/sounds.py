"""The sounds of the demo: ten kinds of synthetic event, each one heard over a place of its own."""

from collections.abc import Callable
from math import tau

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.demo.draws import Draws

Wave = NDArray[np.float64]
Sound = Callable[[Draws, int, int], Wave]

FADE_SECONDS = 0.03
PEAK = 0.95
FULL_SCALE = 1 << 15
ROOM_FREQUENCIES_HZ = np.geomspace(60, 8000, 8)


def make_sound(
    label: str,
    n_samples: int,
    sample_rate: int,
    event: tuple[float, float],
    difficulty: float,
    rng: Draws,
) -> NDArray[np.float32]:
    """Return the sound of one clip: a quiet place, a far sound of another kind, and the event.

    Args:
        label: a key of ``SOUNDS``.
        n_samples: length of the clip.
        sample_rate: at least 16,000.
        event: start and end of the event, in seconds.
        difficulty: in [0, 1]; raises the noise, the far sound and the colouring by the room.
        rng: where every draw of this sound comes from.

    Returns:
        (n_samples,) float32 in [-1, 1], of 16 bits.
    """
    start, end = (round(seconds * sample_rate) for seconds in event)
    waveform = _place(rng, n_samples, sample_rate, difficulty)
    far = rng.choice([other for other in SOUNDS if other != label])
    far_db = np.interp(difficulty, [0, 1], [-44, -2]) + rng.uniform(-6, 0)
    waveform += _gain(far_db) * _unit(SOUNDS[far](rng.apart(), n_samples, sample_rate))
    waveform[start:end] += _faded(_unit(SOUNDS[label](rng, end - start, sample_rate)), sample_rate)
    waveform = _gain(rng.named_uniform("loudness", -28, -16)) * _room(rng, waveform, sample_rate, difficulty)
    waveform *= min(1.0, PEAK / np.abs(waveform).max())
    return (np.trunc(waveform * FULL_SCALE) / FULL_SCALE).astype(np.float32)


def _gain(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def _unit(waveform: Wave) -> Wave:
    """The waveform at a root mean square of one."""
    scaled: Wave = waveform / np.sqrt(np.mean(waveform**2))
    return scaled


def _faded(waveform: Wave, sample_rate: int) -> Wave:
    """The waveform with a short ramp at both ends."""
    rise = np.arange(len(waveform)) / (FADE_SECONDS * sample_rate)
    return waveform * np.minimum(1, np.minimum(rise, rise[::-1]))


def _place(rng: Draws, n_samples: int, sample_rate: int, difficulty: float) -> Wave:
    """Steady noise of a random colour, in units of the event's level."""
    low_hz, high_hz = rng.uniform(50, 300), rng.named_uniform("hiss", 600, 6000)
    level_db = np.interp(difficulty, [0, 1], [-40, -14]) + rng.uniform(-6, 6)
    return _gain(level_db) * _unit(_noise(rng, n_samples, sample_rate, low_hz, high_hz))


def _room(rng: Draws, waveform: Wave, sample_rate: int, difficulty: float) -> Wave:
    """The waveform through a microphone and a room that favour some frequencies."""
    spread_db = np.interp(difficulty, [0, 1], [2, 6])
    response_db = rng.normal(0, spread_db, len(ROOM_FREQUENCIES_HZ))
    frequencies_hz = np.fft.rfftfreq(len(waveform), 1 / sample_rate)
    gain_db = np.interp(np.log(frequencies_hz + 1), np.log(ROOM_FREQUENCIES_HZ), response_db)
    return _unit(np.fft.irfft(np.fft.rfft(waveform) * 10 ** (gain_db / 20), len(waveform)))


def _noise(rng: Draws, n_samples: int, sample_rate: int, low_hz: float, high_hz: float) -> Wave:
    """White noise whose band has second-order edges."""
    frequencies_hz = np.fft.rfftfreq(n_samples, 1 / sample_rate) + 1e-3
    gain = 1 / np.sqrt((1 + (low_hz / frequencies_hz) ** 4) * (1 + (frequencies_hz / high_hz) ** 4))
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(n_samples)) * gain, n_samples)


def _strikes(rng: Draws, n_samples: int, sample_rate: int, rate_hz: float, irregularity: float, stroke: Wave) -> Wave:
    """One stroke repeated at a rate; at an irregularity of 1 an interval is anything from none to double."""
    from scipy.signal import fftconvolve  # a third of a start of the stage, which may have no clip to make

    n_strikes = 2 + int(2 * rate_hz * n_samples / sample_rate)
    intervals = (1 + irregularity * rng.uniform(-1, 1, n_strikes)) / rate_hz
    onsets = ((np.cumsum(intervals) - intervals[0]) * sample_rate).astype(int)
    train = np.zeros(n_samples)
    onsets = onsets[onsets < n_samples]
    np.add.at(train, onsets, rng.uniform(0.4, 1, len(onsets)))
    struck: Wave = fftconvolve(train, stroke)[:n_samples]
    return struck


def _ringing(sample_rate: int, partials_hz: Wave, gains: Wave, decays_seconds: Wave) -> Wave:
    """Partials that start together and die away, each in its own time."""
    seconds = np.arange(int(3 * decays_seconds.max() * sample_rate))[:, None] / sample_rate
    partials = gains * np.sin(tau * partials_hz * seconds) * np.exp(-seconds / decays_seconds)
    return np.asarray(partials[:, partials_hz < sample_rate / 2].sum(axis=1))


def _glide(sample_rate: int, frequency_hz: Wave) -> Wave:
    """A sine whose frequency is given sample by sample."""
    return np.sin(tau * np.cumsum(frequency_hz) / sample_rate)


def _bells(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    ratios = np.array([0.5, 1, 1.19, 1.5, 2, 2.66, 3.01, 4.1]) * rng.uniform(0.98, 1.02, 8)
    pitch_hz = np.exp(rng.named_uniform("pitch", np.log(350), np.log(1100)))
    stroke = _ringing(sample_rate, pitch_hz * ratios, rng.uniform(0.2, 1, 8), rng.uniform(0.3, 1.2) / np.sqrt(ratios))
    return _strikes(rng, n_samples, sample_rate, rng.named_uniform("tempo", 1.5, 4), 0.3, stroke)


def _birds(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    n_chirp = int(rng.uniform(0.05, 0.16) * sample_rate)
    start_hz, end_hz = rng.named_uniform("pitch", 2200, 5500), rng.uniform(2200, 5500)
    warble_hz = rng.uniform(0, 400) * np.sin(tau * rng.uniform(15, 50) * np.arange(n_chirp) / sample_rate)
    chirp = np.hanning(n_chirp) * _glide(sample_rate, np.linspace(start_hz, end_hz, n_chirp) + warble_hz)
    return _strikes(rng, n_samples, sample_rate, rng.named_uniform("tempo", 3, 8), 0.8, chirp)


def _clock(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    modes_hz = np.array([rng.named_uniform("pitch", 900, 5000), *rng.uniform(900, 5000, 3)])
    stroke = _ringing(sample_rate, modes_hz, rng.uniform(0.3, 1, 4), rng.uniform(0.004, 0.03, 4))
    return _strikes(rng, n_samples, sample_rate, rng.named_uniform("tempo", 2, 7), 0.02, stroke)


def _drums(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    n_stroke = int(0.4 * sample_rate)
    seconds = np.arange(n_stroke) / sample_rate
    pitch_hz, decay_seconds = rng.named_uniform("pitch", 55, 170), rng.uniform(0.05, 0.14)
    skin = _glide(sample_rate, pitch_hz * (1 + np.exp(-seconds / 0.02))) * np.exp(-seconds / decay_seconds)
    snare = _noise(rng, n_stroke, sample_rate, 300, rng.uniform(1500, 5000)) * np.exp(-seconds / 0.03)
    rate_hz = rng.named_uniform("tempo", 2, 6)
    return _strikes(rng, n_samples, sample_rate, rate_hz, 0.15, skin + rng.uniform(0.1, 0.8) * snare)


def _engine(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    seconds = np.arange(n_samples) / sample_rate
    speed = 1 + 0.15 * np.sin(tau * rng.uniform(0.1, 0.6) * seconds + rng.uniform(0, tau))
    phase = tau * rng.named_uniform("tempo", 28, 75) * np.cumsum(speed) / sample_rate
    brightness = rng.uniform(0.75, 0.92)
    hum = sum(brightness**k * np.sin(k * phase + shift) for k, shift in enumerate(rng.uniform(0, tau, 24), start=1))
    hiss = _noise(rng, n_samples, sample_rate, 100, rng.named_uniform("pitch", 500, 2000))
    return np.asarray(hum + rng.uniform(0.3, 1) * hiss * (1 + np.sin(phase)))


def _fire(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    crack = np.exp(-np.arange(int(0.02 * sample_rate)) / (rng.uniform(0.001, 0.004) * sample_rate))
    crack *= rng.standard_normal(len(crack))
    crackle = _strikes(rng, n_samples, sample_rate, rng.named_uniform("tempo", 8, 35), 1.0, crack)
    rumble = _noise(rng, n_samples, sample_rate, 30, rng.named_uniform("pitch", 120, 400))
    return _unit(crackle) + rng.uniform(0.3, 1.2) * _unit(rumble)


def _guitar(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    orders = np.arange(1, 11)
    root_hz = np.exp(rng.named_uniform("pitch", np.log(90), np.log(260)))
    chord_hz = root_hz * np.array([1, rng.choice([1.2, 1.25]), 1.5, 2])
    gains = np.abs(np.sin(np.pi * orders * rng.uniform(0.1, 0.4))) / orders ** rng.uniform(0.5, 1.2)
    decays_seconds = rng.uniform(0.3, 0.9) / np.sqrt(orders)
    strokes = (_ringing(sample_rate, note_hz * orders, gains, decays_seconds) for note_hz in chord_hz)
    rate_hz = rng.named_uniform("tempo", 0.8, 2)
    return np.asarray(sum(_strikes(rng, n_samples, sample_rate, rate_hz, 0.4, stroke) for stroke in strokes))


def _rain(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    shower = _noise(rng, n_samples, sample_rate, rng.named_uniform("pitch", 500, 1500), rng.uniform(3500, 7500))
    drop = _ringing(sample_rate, rng.uniform(1500, 4500, 3), np.ones(3), rng.uniform(0.002, 0.008, 3))
    drops = _strikes(rng, n_samples, sample_rate, rng.named_uniform("tempo", 15, 60), 1.0, drop)
    return _unit(shower) + rng.uniform(0.2, 0.8) * _unit(drops)


def _siren(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    seconds = np.arange(n_samples) / sample_rate
    sweep = np.sin(tau * rng.named_uniform("tempo", 0.4, 3) * seconds + rng.uniform(0, tau))
    pitch_hz = rng.named_uniform("pitch", 500, 1100) * 2 ** (rng.uniform(0.2, 0.6) * sweep)
    gains = [1, *rng.uniform(0.1, 0.6, 2)]
    return np.asarray(sum(gain * _glide(sample_rate, k * pitch_hz) for k, gain in enumerate(gains, start=1)))


def _waves(rng: Draws, n_samples: int, sample_rate: int) -> Wave:
    seconds = np.arange(n_samples) / sample_rate
    swell = 0.5 + 0.5 * np.sin(tau * rng.named_uniform("tempo", 0.3, 0.9) * seconds + rng.uniform(0, tau))
    low_hz, high_hz = rng.uniform(80, 250), rng.named_uniform("pitch", 500, 2000)
    return _noise(rng, n_samples, sample_rate, low_hz, high_hz) * (0.1 + swell**2)


SOUNDS: dict[str, Sound] = {
    "bells": _bells,
    "birds": _birds,
    "clock": _clock,
    "drums": _drums,
    "engine": _engine,
    "fire": _fire,
    "guitar": _guitar,
    "rain": _rain,
    "siren": _siren,
    "waves": _waves,
}
