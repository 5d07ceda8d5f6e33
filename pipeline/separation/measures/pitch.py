"""How high a voice is: of two voices of one pitch no sound tells which is whose."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

LOWEST_HZ, HIGHEST_HZ = 65.0, 500.0
CLOSE_OCTAVES = 1 / 3
_WINDOW_SECONDS = 0.064
_LOUD_FRACTION = 0.5  # of the windows: the louder ones are looked at
_NEARLY_BEST = 0.9  # of the best lag's agreement: the first lag that has it counts, not a multiple of it


def median_pitch(sound: NDArray[np.floating], rate: int) -> float:
    """Return the median pitch of the louder half of a sound, in Hz between 65 and 500.

    Args:
        sound: (n_samples,), of one voice; not silent.
        rate: in Hz.

    References:
        McLeod & Wyvill (2005), A smarter way to find pitch, ICMC.

    Example:
        >>> time = np.arange(8000) / 8000
        >>> voice = np.array([np.sin(2 * np.pi * 160 * k * time) / k for k in range(1, 6)]).sum(axis=0)
        >>> median_pitch(voice, 8000)
        160.0
    """
    length = round(_WINDOW_SECONDS * rate)
    padded = np.pad(sound.astype(np.float64), (0, max(0, length - len(sound))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)[:: length // 2]
    levels = np.square(windows).sum(axis=1)
    loud = windows[levels >= np.quantile(levels, 1 - _LOUD_FRACTION)]
    agreement = _agreement(loud - loud.mean(axis=1, keepdims=True))
    first, last = int(rate / HIGHEST_HZ), min(length // 2, int(rate / LOWEST_HZ))
    return float(np.median([rate / (first + _first_peak(row[first : last + 1])) for row in agreement]))


def are_close(first_hz: float, second_hz: float) -> bool:
    """Return whether two pitches are within a third of an octave.

    Example:
        >>> are_close(100, 125), are_close(100, 127)
        (True, False)
    """
    return abs(float(np.log2(first_hz / second_hz))) <= CLOSE_OCTAVES


def _agreement(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far windows (n, length) agree with themselves at each lag, (n, length) in [-1, 1]."""
    length = windows.shape[1]
    products = fft.irfft(np.abs(fft.rfft(windows, 2 * length)) ** 2, 2 * length)[:, :length]
    squares = np.square(windows)
    heads, tails = np.cumsum(squares, axis=1)[:, ::-1], np.cumsum(squares[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(2 * products / np.maximum(heads + tails, 1e-12))


def _first_peak(agreement: NDArray[np.float64]) -> int:
    """The first lag (of n) that is a peak and nearly as good as the best one."""
    inner = agreement[1:-1]
    peaks = (inner >= agreement[:-2]) & (inner >= agreement[2:]) & (inner >= _NEARLY_BEST * agreement.max())
    return int(np.argmax(peaks)) + 1 if peaks.any() else int(np.argmax(agreement))
