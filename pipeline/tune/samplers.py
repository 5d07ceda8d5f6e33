"""How a search comes by the parameters of its trials: what a sampler is asked, and the one that draws at random."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pipeline.model_parts.search_space import Choice
from pipeline.tune.draws import draw


class Space(NamedTuple):
    """What a sampler draws from, and what it may keep.

    Attributes:
        module: a model's, with ``Params`` and ``SEARCH``.
        base: the ``Params`` that params.yaml gives; trial 0 is these.
        seed: of all draws.
        storage: a file for what the sampler has to keep; its name wants an ending.
        study: a name for what the search was made with; draws of another one are not mixed with these.
    """

    module: Any
    base: Any
    seed: int
    storage: Path
    study: str


class Sampler(Protocol):
    """Draws the parameters of trials; whether a search was killed in between changes no draw.

    Attributes:
        name: as the command line has it.
        is_guided: each trial but the first waits for the scores of all before it.
    """

    name: str
    is_guided: bool

    def __init__(self, space: Space) -> None:
        """Hold the space."""
        ...

    def draw(self, number: int) -> dict[str, Choice]:
        """Return the searched parameters of a trial; of trial 0 those of params.yaml."""
        ...

    def tell(self, number: int, score: float) -> None:
        """Take notice of a trial's MAP on the folds of the first rung; NaN where it diverged."""
        ...


class RandomSampler:
    """Draws each trial by itself; see ``pipeline.tune.draws``."""

    name = "random"
    is_guided = False

    def __init__(self, space: Space) -> None:
        """Hold the space."""
        self._space = space

    def draw(self, number: int) -> dict[str, Choice]:
        """Return the searched parameters of a trial, which depend on the seed and its number alone."""
        return draw(self._space.module, self._space.base, self._space.seed, number)

    def tell(self, number: int, score: float) -> None:
        """Scores change no draw."""
