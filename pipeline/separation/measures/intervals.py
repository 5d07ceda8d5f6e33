"""Intervals over people: the clips of one person are alike, so that many mixtures of few people prove little."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COVERAGE = 0.95
FEWEST_PEOPLE = 5  # of whom an interval can be made


def people_weights(people: Sequence[Sequence[str]], n_draws: int, seed: int) -> NDArray[np.float64]:
    """Return how often each score counts in each draw of the people, (n_draws, n_scores).

    People are drawn with replacement; a score counts as often as the product of how often its people were drawn, since
    a mixture is only there where all of them are.

    Args:
        people: of every score.
        n_draws: how many draws.
        seed: of the draws.

    References:
        Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1(2).
    """
    names = sorted({name for group in people for name in group})
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), n_draws)
    place = {name: k for k, name in enumerate(names)}
    return np.stack([counts[:, [place[name] for name in group]].prod(axis=1) for group in people], axis=1).astype(float)


def mean_and_margin(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float | None]:
    """Return a mean and half the width of its 95 % interval over draws; no margin where hardly a draw has a score.

    Args:
        values: (n_scores,).
        weights: (n_draws, n_scores), of ``people_weights``.

    Example:
        >>> mean, margin = mean_and_margin(np.array([1.0, 3.0]), np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]]))
        >>> mean, round(margin, 2)
        (2.0, 0.95)
    """
    totals = weights.sum(axis=1)
    drawn = totals > 0
    if drawn.sum() < 2:
        return float(values.mean()), None
    means = weights[drawn] @ values / totals[drawn]
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(values.mean()), float((high - low) / 2)


def over_people(
    values: NDArray[np.float64], people: Sequence[Sequence[str]], n_draws: int, seed: int
) -> tuple[float, dict[str, float]]:
    """Return the mean of scores, and ``{"margin": half the width of its 95 % interval}``, empty with under 5 people.

    Args:
        values: (n_scores,).
        people: of every score, its own first.
        n_draws: of the people.
        seed: of the draws.
    """
    if len({group[0] for group in people}) < FEWEST_PEOPLE:
        return float(values.mean()), {}
    mean, margin = mean_and_margin(values, people_weights(people, n_draws, seed))
    return mean, {} if margin is None else {"margin": margin}
