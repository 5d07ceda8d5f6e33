"""Would another seed, another search or another grouping of the folds change the order of the models?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from studies.comparison import tables
from studies.comparison.fits import DIRECTIONS
from studies.comparison.lines import SetLines


class Order(NamedTuple):
    """The tuned models under one circumstance.

    Attributes:
        of: the circumstance, such as ``search 3``.
        maps: test MAP of each model, the average of both directions.
    """

    of: str
    maps: dict[str, float]

    @property
    def names(self) -> list[str]:
        """The models, best first; of equals the first in the alphabet."""
        return sorted(self.maps, key=lambda name: (-self.maps[name], name))


def orders(of_set: SetLines, others: Mapping[str, SetLines], models: Sequence[str]) -> list[Order]:
    """Return the order of the models by the page's search, by each seed of its fits, and by other searches.

    Args:
        of_set: the lines of the page.
        others: the lines of other searches on the set, by what is other about them.
        models: those that were searched again.
    """
    by_model = {name: _maps(of_set, name) for name in models}
    seeds = max(([fit.seed for fit in of_set.fits_of("tuned", name)] for name in models), key=len)
    found = [Order("this page", {name: sum(maps) / len(maps) for name, maps in by_model.items()})]
    found += [
        Order(f"seed {seed} alone", {name: maps[min(place, len(maps) - 1)] for name, maps in by_model.items()})
        for place, seed in enumerate(seeds)
    ]
    for other, lines in others.items():
        again = {name: _maps(lines, name) for name in models}
        found.append(Order(other, {name: sum(maps) / len(maps) for name, maps in again.items()}))
    return found


def n_other_firsts(found: Sequence[Order]) -> int:
    """Return under how many circumstances another model is first than on the page, which is the first of them."""
    return sum(order.names[0] != found[0].names[0] for order in found[1:])


def _maps(lines: SetLines, name: str) -> list[float]:
    """The test MAP of each tuned fit of a model."""
    of = tables.measured(lines.fits_of("tuned", name))
    averages = sum(of[way].scalars["map"].mean(axis=1) for way in DIRECTIONS) / len(DIRECTIONS)
    return [float(value) for value in averages]
