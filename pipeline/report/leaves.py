"""Nested maps as a flat list of names and values."""

from collections.abc import Iterator, Mapping


def leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield every value that is no map, or an empty one, under its dotted name.

    Args:
        value: maps of maps, to any depth.
        name: what the names begin with.

    Example:
        >>> dict(leaves({"vggish": {"weights": "random", "seed": 0}, "device": "cpu"}))
        {'vggish.weights': 'random', 'vggish.seed': 0, 'device': 'cpu'}
    """
    if isinstance(value, Mapping) and value:
        for key, member in value.items():
            yield from leaves(member, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
