"""What a random search draws parameters from; a model declares its own as ``SEARCH``, beside its ``Params``."""

from typing import Literal

Choice = bool | int | float | str | None
Distribution = tuple[Literal["loguniform", "randint", "uniform"], float, float]
"""A distribution of ``scipy.stats`` by its name, and its arguments; a training does not wait for SciPy's statistics.

``("loguniform", low, high)``, ``("randint", low, high)`` without ``high`` itself, ``("uniform", low, width)``.
"""
SearchSpace = dict[str, Distribution | list[Choice]]
"""The parameters that a search varies, by their names in the model's ``Params``; of a list each value is as likely."""
