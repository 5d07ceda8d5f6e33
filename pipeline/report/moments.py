"""Where the event of a clip is: the table of models on the page, from localisation.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import DataError, in_words
from pipeline.report.rendering import DIRECTIONS
from pipeline.settings.json_text import parse_json
from pipeline.settings.paths import AnyPath

METRICS = ("exact_start", "start_mrr", "segment_mrr")


class Moments(NamedTuple):
    """The table of a run whose test clips have events.

    Attributes:
        columns: a metric and a direction each, those that were measured.
        rows: by name of the model, the best first, its numbers by column; its own distance is a row of its own.
        chance: what knows nothing gets.
        n_events: clips whose event could be elsewhere.
        n_clips: clips with an event.
    """

    columns: list[tuple[str, str]]
    rows: dict[str, list[float]]
    chance: list[float]
    n_events: int
    n_clips: int


def moments(localisation: Mapping[str, Any]) -> Moments | None:
    """Return the table; None where no test clip has an event with times, or no place or class to be found in.

    Args:
        localisation: what localisation.json holds.
    """
    chance = localisation["chance"]
    columns = [(name, way) for name in METRICS for way in DIRECTIONS if name in chance.get(way, {})]
    if not columns:
        return None
    own = {f"{name}, own distance": found["own"] for name, found in localisation["own_distance"].items()}
    found = {**localisation["models"], **own}
    best_first = sorted(found, key=lambda name: -found[name]["average"][columns[0][0]])
    numbers = {name: [found[name][way][metric] for metric, way in columns] for name in best_first}
    of_chance = [chance[way][metric] for metric, way in columns]
    return Moments(columns, numbers, of_chance, localisation["n_events"], localisation["n_clips"])


def read_localisation(path: AnyPath) -> Mapping[str, Any]:
    """Return the content of localisation.json.

    Raises:
        DataError: it is damaged.
    """
    path = Path(path)
    try:
        content = dict(parse_json(path.read_text(encoding="utf-8")))
        moments(content)  # looks at all that the page shows
        return content
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        expected = "a localisation.json that the stage `localise` wrote"
        raise DataError(f"{path}: {in_words(error)}; expected {expected}") from error
