"""The estimates of all separators by mixture, and how their rows are scored."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.separation.measures.scores import Estimates, RowRule
from pipeline.separation.parts.base import separator_module
from pipeline.separation.separating import FILMS, read_separated, ways_of
from pipeline.settings.paths import AnyPath

BASELINE = "audio_only"
WITHOUT_FACE = (("own", "lips"), ("unreliable_lips", "unreliable_lips_alone"))  # films with the face, and without it


def row_name(separator: str, film: str) -> str:
    """Return the name of a row of metrics.json: that of the separator, and of the film unless it is its own.

    Example:
        >>> row_name("visualvoice", "own"), row_name("visualvoice", "swapped")
        ('visualvoice', 'visualvoice_swapped')
    """
    return separator if film == FILMS[0] else f"{separator}_{film}"


def rules_of(names: Iterable[str]) -> dict[str, RowRule]:
    """Return how the rows of separators are scored: other films in brief, and in the best order where none is seen."""
    rules = {}
    for name in names:
        sees = separator_module(name).Separator.uses_views
        for film in FILMS:
            rules[row_name(name, film)] = RowRule(film != FILMS[0], not sees or film == "blank")
    return rules


def pairs_of_rows(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return which rows are compared: a separator with the baseline, with itself without the face, and with its stages.

    Example:
        >>> pairs_of_rows(["audio_only", "visualvoice"])[0]
        ('visualvoice', 'audio_only')
    """
    seeing = [name for name in names if separator_module(name).Separator.uses_views]
    pairs = [(row_name(name, film), BASELINE) for name in seeing for film in ("own", "blank") if BASELINE in names]
    faces = [(row_name(name, both), row_name(name, lips)) for name in seeing for both, lips in WITHOUT_FACE]
    stages = [(name, row_name(name, way)) for name in seeing for way in ways_of(separator_module(name).Separator)]
    return pairs + faces + stages


def estimates_of(names: Iterable[str], folder: AnyPath) -> dict[str, Estimates]:
    """Return by mixture and row the estimates (n_seeds, n_sources, n_samples) that the stage `separate` wrote.

    Args:
        names: of the separators.
        folder: with a folder for each.

    Raises:
        DataError: a file is damaged.
    """
    by_mixture: dict[str, dict[str, object]] = defaultdict(dict)
    for name in names:
        for mixture_id, films in read_separated(Path(folder) / name):
            by_mixture[mixture_id] |= {row_name(name, film): sounds for film, sounds in films.items()}
    return dict(by_mixture)  # type: ignore[arg-type]  # of arrays
