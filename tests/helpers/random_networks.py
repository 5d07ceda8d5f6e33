"""Random weights of the networks, made once a process: those of Inception-v3 take seconds."""

from functools import cache

from torch import Tensor

from pipeline.network_parts.base import network_part


@cache
def _made(name: str, seed: int) -> dict[str, Tensor]:
    state: dict[str, Tensor] = network_part(name, "random_weights").random_state(seed)
    return state


def random_state(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Return the weights by name, in a dict of the caller's own; the tensors are shared and only read."""
    return dict(_made(name, seed))
