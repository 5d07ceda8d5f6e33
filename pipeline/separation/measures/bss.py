"""How near estimated sources are to the true ones, in decibels: SI-SDR, and SDR, SIR and SAR of BSS-eval 3."""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, linalg

from pipeline.errors import DataError

Sounds = NDArray[np.float64]  # (n_sources, n_samples)
TAPS = 512  # of the filters that BSS-eval forgives
MOST_DB = 120.0  # of any ratio, so that it is finite; a silent estimate has it below zero, and is counted


class BssScores(NamedTuple):
    """Three ratios of every source, (n_sources,) dB each.

    Attributes:
        sdr: signal to all that is none, with a filter of the reference forgiven.
        sir: signal to what is of other references.
        sar: signal and interference to what is of no reference.
    """

    sdr: Sounds
    sir: Sounds
    sar: Sounds


def si_sdr(references: NDArray[np.floating], estimates: NDArray[np.floating]) -> Sounds:
    """Return the scale-invariant signal-to-distortion ratio of each source, (n_sources,) dB; means are taken off.

    Args:
        references: (n_sources, n_samples).
        estimates: (n_sources, n_samples); a silent one scores -120 dB, and is counted.

    Raises:
        DataError: shapes differ, a reference is silent, or a value is not finite.

    References:
        Le Roux et al. (2019), SDR - half-baked or well done?, ICASSP.

    Example:
        >>> tone = np.sin(np.arange(800) / 5)[None]
        >>> si_sdr(tone, 3 * tone + 0.3 * np.cos(np.arange(800) / 5)[None]).round(0)
        array([20.])
    """
    references, estimates = _checked(references, estimates)
    references = references - references.mean(axis=1, keepdims=True)
    estimates = estimates - estimates.mean(axis=1, keepdims=True)
    energy = np.square(references).sum(axis=1)
    scale = (references * estimates).sum(axis=1) / energy
    target = scale**2 * energy
    noise = np.square(estimates - scale[:, None] * references).sum(axis=1)
    return _ratio(target, noise)


def bss_eval(references: NDArray[np.floating], estimates: NDArray[np.floating], taps: int = TAPS) -> BssScores:
    """Return SDR, SIR and SAR of every source in the order given, (n_sources,) dB each.

    The estimate is projected onto all shifts of its reference by up to ``taps`` samples, and of all references.

    Args:
        references: (n_sources, n_samples), all sources of the mixture: SIR means nothing without one of them.
        estimates: (n_sources, n_samples).
        taps: length of the filters.

    Raises:
        DataError: as ``si_sdr``.

    References:
        Vincent, Gribonval & Fevotte (2006), Performance measurement in blind audio source separation, IEEE TASLP.
    """
    references, estimates = _checked(references, estimates)
    shifts = _Shifts(references, taps)
    scores = [shifts.scores(i, estimate) for i, estimate in enumerate(estimates)]
    return BssScores(*(np.array(column) for column in zip(*scores, strict=True)))


def best_order(references: NDArray[np.floating], estimates: NDArray[np.floating]) -> tuple[int, ...]:
    """Return the order of the estimates whose mean SI-SDR over the whole clip is the highest.

    Args:
        references: (n_sources, n_samples).
        estimates: (n_sources, n_samples).
    """
    orders = itertools.permutations(range(len(estimates)))
    return max(orders, key=lambda order: float(si_sdr(references, estimates[list(order)]).mean()))


class _Shifts:
    """The span of all references shifted by 0 to taps - 1 samples: its inner products are made once a mixture."""

    def __init__(self, references: Sounds, taps: int) -> None:
        self.references, self.taps = references, taps
        self.length = references.shape[1] + taps - 1
        self.n_fft = fft.next_fast_len(self.length, real=True)
        self.spectra = fft.rfft(references, self.n_fft)
        self.gram = self._gram()

    def scores(self, i: int, estimate: Sounds) -> tuple[float, float, float]:
        """SDR, SIR, SAR of an estimate (n_samples,) of reference i."""
        padded = np.zeros(self.length)
        padded[: len(estimate)] = estimate
        target = self._projection([i], padded)
        of_all = self._projection(list(range(len(self.references))), padded)
        target_energy = np.square(target).sum()
        return (
            float(_ratio(target_energy, np.square(padded - target).sum())),
            float(_ratio(target_energy, np.square(of_all - target).sum())),
            float(_ratio(np.square(of_all).sum(), np.square(padded - of_all).sum())),
        )

    def _gram(self) -> Sounds:
        """Inner products of all shifts of all references, (n * taps, n * taps): a Toeplitz block a pair."""
        n = len(self.references)
        blocks = [[self._block(i, j) for j in range(n)] for i in range(n)]
        return np.block(blocks)

    def _block(self, i: int, j: int) -> Sounds:
        """Inner products (taps, taps) of the shifts of two references."""
        lags = fft.irfft(self.spectra[i] * self.spectra[j].conj(), self.n_fft)
        return np.asarray(linalg.toeplitz(np.r_[lags[0], lags[: -self.taps : -1]], lags[: self.taps]))

    def _projection(self, which: list[int], padded: Sounds) -> Sounds:
        """The part of an estimate (length,) that filters of some references can make."""
        taps, spectrum = self.taps, fft.rfft(padded, self.n_fft)
        products = [fft.irfft(self.spectra[i].conj() * spectrum, self.n_fft)[:taps] for i in which]
        rows = np.concatenate([np.arange(taps) + i * taps for i in which])
        filters = _solved(self.gram[np.ix_(rows, rows)], np.concatenate(products)).reshape(len(which), taps)
        made = (fft.rfft(filters, self.n_fft) * self.spectra[which]).sum(axis=0)
        return np.asarray(fft.irfft(made, self.n_fft)[: self.length])


def _solved(gram: Sounds, products: Sounds) -> Sounds:
    """The filters, (n,); the shortest ones where the references' shifts depend on each other."""
    try:
        return np.asarray(linalg.solve(gram, products, assume_a="pos"))
    except linalg.LinAlgError:
        return np.asarray(linalg.lstsq(gram, products)[0])


def _ratio(signal: Sounds | float, noise: Sounds | float) -> Sounds:
    """A ratio of energies in dB, of bounded size; lowest where there is no signal, whatever the noise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(np.divide(signal, noise))
    return np.asarray(np.where(np.equal(signal, 0), -MOST_DB, np.clip(ratio, -MOST_DB, MOST_DB)))


def _checked(references: NDArray[np.floating], estimates: NDArray[np.floating]) -> tuple[Sounds, Sounds]:
    """Both in double precision, of one shape (n_sources, n_samples)."""
    if references.ndim != 2 or references.shape != estimates.shape:
        found = f"references {references.shape}, estimates {estimates.shape}"
        raise DataError(f"{found}; expected (n_sources, n_samples) of both")
    if not (np.isfinite(references).all() and np.isfinite(estimates).all()):
        raise DataError("references or estimates have NaN or infinite values; expected finite numbers")
    if not np.ptp(references, axis=1).all():
        silent = np.flatnonzero(np.ptp(references, axis=1) == 0).tolist()
        raise DataError(f"references {silent} are silent; expected sound in every one")
    return references.astype(np.float64), estimates.astype(np.float64)
