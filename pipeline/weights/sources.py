"""The places that publish weights, and what each of them is called in params.yaml: what the networks know of them."""

from pipeline.network_parts.base import Source, network_names, network_part

RANDOM = "random"
SOURCES: dict[str, Source] = {
    name: source for network in network_names() for name, source in network_part(network, "published").SOURCES.items()
}


def names_of(network: str) -> list[str]:
    """Return what ``NETWORK.weights`` may be called besides a path.

    Example:
        >>> names_of("inception")
        ['random', 'imagenet1k_v1']
    """
    return [RANDOM, *(name for name, source in SOURCES.items() if source.network == network)]
