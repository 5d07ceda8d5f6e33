"""Labels that may be meant as one class."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable


def similar_labels(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of labels that may be meant as one class, sorted.

    They differ in case, white space or the bytes of one letter only (NFC, NFD), or are one number (``1``, ``1.0``).

    Example:
        >>> similar_labels(["Dog", "dog ", "cat", "1", "1.0"])
        [('1', '1.0'), ('Dog', 'dog ')]
    """
    alike = defaultdict(set)
    for label in labels:
        alike[_plain(label)].add(label)
    return sorted(tuple(sorted(group)) for group in alike.values() if len(group) > 1)


def _plain(label: str) -> str:
    """What is left of a label without what a reader does not see; of a number its value."""
    letters = "".join(unicodedata.normalize("NFKC", label).casefold().split())
    try:
        return str(float(letters))
    except ValueError:
        return letters
