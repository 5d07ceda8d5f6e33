"""How well separated speech can be understood: STOI, and PESQ where its package is installed."""

import warnings
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

PESQ_RATES = {8000: "nb", 16000: "wb"}  # Hz; narrow band and wide band
FEWEST_SECONDS = 0.5  # less sound has no 30 frames of speech, which STOI looks at


def stoi(reference: NDArray[np.floating], estimate: NDArray[np.floating], rate: int) -> float | None:
    """Return the short-time objective intelligibility, about 0 to 1; None where too little of the sound is speech.

    Args:
        reference: (n_samples,), what was said.
        estimate: (n_samples,).
        rate: of both, in Hz.

    References:
        Taal et al. (2011), An algorithm for intelligibility prediction of time-frequency weighted noisy speech, IEEE
        TASLP.

    Example:
        >>> speech = np.random.default_rng(0).normal(size=16000)
        >>> round(stoi(speech, speech, 8000), 3)
        1.0
    """
    from pystoi import stoi as measured

    if len(reference) < FEWEST_SECONDS * rate:
        return None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        value = float(measured(reference, estimate, rate))
    return None if any("Not enough STFT frames" in str(one.message) for one in said) else value


def has_pesq(rate: int) -> bool:
    """Return whether PESQ can be measured: its package (extra ``speech``) is there, and the rate is one it knows."""
    return rate in PESQ_RATES and find_spec("pesq") is not None


def pesq(reference: NDArray[np.floating], estimate: NDArray[np.floating], rate: int) -> float | None:
    """Return PESQ's opinion score, 1 to 4.6: wide band at 16 kHz, narrow band at 8 kHz; None where it hears no speech.

    Args:
        reference: (n_samples,), what was said; it comes first, the score is not symmetric.
        estimate: (n_samples,).
        rate: of both, 8000 or 16000 Hz.

    References:
        ITU-T recommendation P.862 (2001), and P.862.2 (2007) for the wide band.
    """
    import pesq as package

    try:
        return float(package.pesq(rate, reference, estimate, PESQ_RATES[rate]))
    except package.NoUtterancesError:
        return None
