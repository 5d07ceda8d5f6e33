"""Whether one row is better than another by more than the luck of the test people."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.significance import sign_flip_test
from pipeline.separation.measures.intervals import over_people
from pipeline.separation.measures.scores import EvaluateSeparationParams, SourceScore

_Values = Mapping[tuple[str, int], SourceScore]  # by mixture and source


def comparisons(
    scores: Sequence[SourceScore], pairs: Sequence[tuple[str, str]], params: EvaluateSeparationParams
) -> dict[str, dict[str, dict[str, float]]]:
    """Return by two rows how far the SI-SDR of the first one is above that of the second, paired by source.

    ``difference`` is the mean in dB, ``margin`` half the width of its 95 % interval over people. ``p_value`` is that of
    a permutation test over people, the mean difference of each of whom may as well have the other sign.

    Args:
        scores: of all rows.
        pairs: which rows; one that was not scored is left out.
        params: section ``evaluate``.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row, other in pairs:
        one, two = (_values(scores, name) for name in (row, other))
        if one and two:
            found.setdefault(row, {})[other] = _compared(one, two, params)
    return found


def _values(scores: Sequence[SourceScore], row: str) -> _Values:
    """The scores of one row."""
    return {(score.mixture_id, score.source): score for score in scores if score.row == row}


def _compared(one: _Values, two: _Values, params: EvaluateSeparationParams) -> dict[str, float]:
    """The numbers of one pair of rows."""
    differences = np.array([one[key].values["si_sdr"] - two[key].values["si_sdr"] for key in one])
    people = [score.people for score in one.values()]
    mean, margin = over_people(differences, people, params.bootstrap_draws, params.seed)
    by_person = _by_person(differences, [group[0] for group in people])
    p_value = float(sign_flip_test(by_person[None], params.bootstrap_draws, params.seed)[0])
    return {"difference": mean, **margin, "p_value": p_value, "n_people": len(by_person)}


def _by_person(differences: NDArray[np.float64], people: Sequence[str]) -> NDArray[np.float64]:
    """The mean difference of every person, (n_people,)."""
    return np.array([differences[np.array(people) == person].mean() for person in sorted(set(people))])
