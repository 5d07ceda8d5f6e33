"""Streams of random draws, of which sound and picture of a clip may share some in part."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from scipy.special import ndtr, ndtri

NUISANCES = {"tempo": ("tempo", 1), "pitch": ("size", -1), "loudness": ("faintness", -1), "hiss": ("light", 1)}
"""What a sound may share with its picture: the picture's name of it, and 1 or -1 for its direction.

A fast sound goes with fast motion, a low one with a large motif, a loud one with an opaque motif, and a place whose
noise reaches high with a light backdrop.
"""
_NOTHING: Mapping[str, float] = MappingProxyType({})


class Draws(np.random.Generator):
    """A stream of draws, some of them shared in part by sound and picture.

    A named draw is the mean of its own normal score and of the common one, weighted so that it has the distribution
    that it has by itself. Where nothing is shared, the stream is that of ``numpy.random.default_rng``.
    """

    def __init__(
        self, bits: np.random.BitGenerator, common: Mapping[str, float] = _NOTHING, shared: float = 0.0
    ) -> None:
        """Draw from ``bits``.

        Args:
            bits: where the draws come from.
            common: the common normal score of each name.
            shared: share of the variance of a named score that is the common one's, 0 to 1.
        """
        super().__init__(bits)
        self._common, self._shared = common, shared

    @classmethod
    def of(cls, *seed: int, common: Mapping[str, float] = _NOTHING, shared: float = 0.0) -> "Draws":
        """Return the stream of a seed of whole numbers."""
        return cls(np.random.PCG64(seed), common, shared)

    def apart(self) -> "Draws":
        """Return this stream without anything shared."""
        return Draws(self.bit_generator)

    def named_uniform(self, name: str, low: float, high: float) -> float:
        """Return a draw between two bounds."""
        if not self._shared:
            return self.uniform(low, high)
        return low + (high - low) * float(ndtr(self._score(name, float(ndtri(self.random())))))

    def named_normal(self, name: str, deviation: float) -> float:
        """Return a draw of a normal distribution around 0."""
        return self.normal(0, deviation) if not self._shared else deviation * self._score(name, self.standard_normal())

    def _score(self, name: str, own: float) -> float:
        """The normal score of a named draw, of its own and the common one."""
        return math.sqrt(1 - self._shared) * own + math.sqrt(self._shared) * self._common[name]
