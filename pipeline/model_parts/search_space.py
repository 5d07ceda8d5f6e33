"""Ranges that a random search draws parameters from; a model declares its own as ``SEARCH``, beside its ``Params``."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ParamsError

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Uniform:
    """Numbers that are equally likely anywhere from ``low`` to ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse a range that is empty or endless."""
        if not -math.inf < self.low < self.high < math.inf:
            raise ParamsError(f"Uniform({self.low}, {self.high}): expected finite numbers, low < high")

    def sample(self, rng: np.random.Generator) -> float:
        """Return a number in [low, high)."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True)
class LogUniform:
    """Numbers whose logarithms are equally likely: as many from 0.001 to 0.01 as from 0.1 to 1."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse a range that is empty or endless, or reaches 0."""
        if not 0 < self.low < self.high < math.inf:
            raise ParamsError(f"LogUniform({self.low}, {self.high}): expected finite numbers, 0 < low < high")

    def sample(self, rng: np.random.Generator) -> float:
        """Return a number in [low, high]."""
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return min(max(drawn, self.low), self.high)  # the logarithm's rounding may step over an end


@dataclass(frozen=True)
class IntUniform:
    """Whole numbers from ``low`` to ``high``, both among them, equally likely."""

    low: int
    high: int

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if not self.low < self.high:
            raise ParamsError(f"IntUniform({self.low}, {self.high}): expected low < high")

    def sample(self, rng: np.random.Generator) -> int:
        """Return a whole number in [low, high]."""
        return int(rng.integers(self.low, self.high, endpoint=True))


@dataclass(frozen=True)
class Choice:
    """One of the values, equally likely: ``Choice(("linear", "rbf"))``; None stands for a null of params.yaml."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to choose."""
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise ParamsError(f"Choice({self.values}): expected two values or more, each once")

    def sample(self, rng: np.random.Generator) -> Value:
        """Return one of the values, as it was given."""
        return self.values[rng.integers(len(self.values))]


Range = Uniform | LogUniform | IntUniform | Choice
SearchSpace = dict[str, Range]
"""The parameters that a search varies, by their names in the model's ``Params``."""
