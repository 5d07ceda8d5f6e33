"""Whether two models differ by more than the luck of the test clips: a paired permutation test, corrected for many."""

import numpy as np

from pipeline.errors import DataError, ParamsError
from pipeline.retrieval.cosines import Array

_SIGNS_PER_BLOCK = 2**22
_ROUNDING = 1e-9  # of the sum of magnitudes: sums that differ by less are equal


def sign_flip_test(differences: Array, n_permutations: int, seed: int) -> Array:
    """Return the two-sided p-value of each set of paired differences, (n_sets,) in (0, 1].

    If two models are alike, each clip's difference may as well have the other sign. The p-value is the share of random
    signs under which the mean difference is as far from 0 as the observed one; the observed signs count as one more
    draw, so that no p-value is 0. All sets share the signs.

    Args:
        differences: (n_sets, n_clips), one model's score minus another's, of the same clips.
        n_permutations: how many signs are drawn for every clip, at least 1.
        seed: of the signs.

    Raises:
        DataError: no matrix, no clip, or a difference that is not finite.
        ParamsError: n_permutations is less than 1.

    References:
        Smucker, Allan & Carterette (2007), A comparison of statistical significance tests for information retrieval
        evaluation, CIKM. Phipson & Smyth (2010), Permutation p-values should never be zero.
    """
    if differences.ndim != 2 or 0 in differences.shape or not np.isfinite(differences).all():
        raise DataError(
            f"differences {differences.shape}; expected (n_sets, n_clips) finite numbers, neither of them 0"
        )
    if n_permutations < 1:
        raise ParamsError(f"n_permutations={n_permutations}; expected at least 1")
    rng = np.random.default_rng(seed)
    n_clips = differences.shape[1]
    observed = np.abs(differences.sum(axis=1)) - _ROUNDING * np.abs(differences).sum(axis=1)
    n_as_far = np.ones(len(differences))
    size = max(1, _SIGNS_PER_BLOCK // n_clips)
    for start in range(0, n_permutations, size):
        n_drawn = min(size, n_permutations - start)
        signs = rng.integers(0, 2, (n_drawn, n_clips), np.int8) * 2.0 - 1.0
        n_as_far += (np.abs(signs @ differences.T) >= observed).sum(axis=0)
    return n_as_far / (n_permutations + 1)


def holm(p_values: Array) -> Array:
    """Return p-values corrected for their number, in the order given: (n,) in (0, 1].

    Rejecting those of at most alpha keeps the chance of any false rejection at alpha, however the tests depend on each
    other.

    Args:
        p_values: (n,) in (0, 1].

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2).
    """
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(stepped))
    return corrected
