"""Successive halving: which trials of a search go on, and on how many folds.

What a trial is given more and more of is folds, not epochs: a model in closed form is then treated as a network is, a
network that learns slowly is not left behind, and nothing that was trained is trained again.

References:
    Jamieson & Talwalkar (2016), Non-stochastic Best Arm Identification and Hyperparameter Optimization, AISTATS.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

FEWEST_FOLDS = 2  # of a rung, where there are as many
SHIPPED = 0  # the number of the trial with the values of params.yaml


def rungs(n_folds: int) -> list[int]:
    """Return on how many folds a trial has been scored at the end of each rung: about twice as many each time.

    Args:
        n_folds: of the last rung.

    Example:
        >>> rungs(6), rungs(12), rungs(1)
        ([2, 3, 6], [2, 3, 6, 12], [1])
    """
    found = [n_folds]
    while (half := math.ceil(found[0] / 2)) >= FEWEST_FOLDS and half < found[0]:
        found.insert(0, half)
    return found


def survivors(scores: Mapping[int, float]) -> list[int]:
    """Return the trials that go on to the next rung, sorted: the better half of the challengers, and trial 0.

    Of an odd number the larger half goes on, of equals the lower number. A trial that diverged ends here.

    Args:
        scores: of each trial of the rung, by its number; NaN where it diverged.

    Example:
        >>> survivors({0: 0.1, 1: 0.3, 2: 0.5, 3: 0.4, 4: math.nan})
        [0, 2, 3]
    """
    trained = {number: score for number, score in scores.items() if not math.isnan(score)}
    challengers = sorted(trained.keys() - {SHIPPED}, key=lambda number: (-trained[number], number))
    n_kept = math.ceil(len(scores.keys() - {SHIPPED}) / 2)
    return sorted([*(trained.keys() & {SHIPPED}), *challengers[:n_kept]])


def n_fits(n_trials: int, n_folds: int) -> int:
    """Return how many fits of one fold a search takes, at most: a trial that diverges takes fewer.

    Times a model's ``epochs`` it is the search's budget in epochs.

    Args:
        n_trials: parameter sets, trial 0 among them.
        n_folds: of the last rung.

    Example:
        >>> n_fits(12, 6), 12 * 6  # 12 trials on 2 folds, 7 on a third one, 4 on three more
        (43, 72)
    """
    added = [rungs(n_folds)[0], *(after - before for before, after in pairwise(rungs(n_folds)))]
    return sum((1 + math.ceil((n_trials - 1) / 2**rung)) * n_new for rung, n_new in enumerate(added))
