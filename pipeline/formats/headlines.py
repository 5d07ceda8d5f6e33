"""The number that models are ranked by in metrics.json: it follows from what is relevant to a query."""

from collections.abc import Mapping
from typing import Any, Literal

Relevance = Literal["class", "clip"]
"""What is relevant to a query: the clips of its class, or its own clip."""

CLIP_PREFIX = "clip_"  # of a number whose relevant items are the own clip, where others are of the class
HEADLINES: dict[str, str] = {"class": "map", "clip": "mrr"}


def headline_of(relevance: Relevance) -> str:
    """Return the metric that models are ranked by: where one clip is relevant, its reciprocal rank says it all.

    Example:
        >>> headline_of("class"), headline_of("clip")
        ('map', 'mrr')
    """
    return HEADLINES[relevance]


def headline_of_report(report: Mapping[str, Any]) -> str:
    """Return the metric that the models of a metrics.json are ranked by; it is the MAP where nothing else is said.

    Args:
        report: what metrics.json holds.
    """
    return HEADLINES.get(report.get("dataset", {}).get("relevance", "class"), "map")
