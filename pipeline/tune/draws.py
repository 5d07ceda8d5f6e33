"""Parameters of a trial, drawn from what a model declares as ``SEARCH``."""

import math
from typing import Any

import numpy as np
from pydantic import ValidationError
from scipy import stats
from sklearn.model_selection import ParameterSampler
from sklearn.utils import check_random_state

from pipeline.errors import ParamsError
from pipeline.model_parts.search_space import Choice, Distribution, SearchSpace

N_DRAWS = 1000  # at most for one trial


def draw(module: Any, base: Any, seed: int, number: int) -> dict[str, Choice]:  # noqa: ANN401 - a model's module, its Params
    """Return the searched parameters of a trial; they depend on the seed and its number alone.

    Args:
        module: a model's module, with ``Params`` and ``SEARCH``.
        base: the ``Params`` that params.yaml gives; trial 0 is these.
        seed: of all draws.
        number: of the trial.

    Raises:
        ParamsError: ``SEARCH`` has a range that is no range, or the model refuses every draw.
    """
    search = getattr(module, "SEARCH", {})
    if number == 0 or not search:
        return {key: getattr(base, key) for key in search}
    ranges = distributions(search)
    generator = check_random_state(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
    for _ in range(N_DRAWS):
        (drawn,) = ParameterSampler(ranges, n_iter=1, random_state=generator)
        values = {key: value.item() if isinstance(value, np.generic) else value for key, value in drawn.items()}
        try:
            module.Params.model_validate(base.model_dump() | values)
        except ValidationError:
            continue
        return values
    raise ParamsError(
        f"{module.__name__}: all {N_DRAWS} draws of SEARCH are refused; expected ranges that Params takes"
    )


def distributions(search: SearchSpace) -> dict[str, Any]:
    """Return the space as scikit-learn's ``ParameterSampler`` takes it: SciPy's distributions and lists, by parameter.

    Raises:
        ParamsError: SciPy has no such distribution, a range is empty or endless, or a list leaves nothing to choose.
    """
    return {
        name: _checked_choices(name, of) if isinstance(of, list) else _distribution(name, of)
        for name, of in search.items()
    }


def _checked_choices(name: str, choices: list[Choice]) -> list[Choice]:
    """A list of two values or more."""
    if len(choices) < 2 or len(set(choices)) < len(choices):
        raise ParamsError(f"SEARCH: {name}: {choices}; expected two values or more, each once")
    return choices


def _distribution(name: str, declared: Distribution) -> Any:  # noqa: ANN401 - SciPy has no types
    """The distribution of SciPy that a tuple names, with its arguments."""
    family, *arguments = declared
    if not isinstance(getattr(stats, family, None), stats.rv_continuous | stats.rv_discrete):
        raise ParamsError(f"SEARCH: {name}: {declared}; expected loguniform, randint or uniform and its arguments")
    frozen = getattr(stats, family)(*arguments)
    with np.errstate(invalid="ignore"):
        low, high = frozen.support()  # NaN where the arguments are none of this distribution
    if not -math.inf < low < high < math.inf:
        raise ParamsError(f"SEARCH: {name}: {declared}; expected a range from a finite number up to a higher one")
    return frozen
