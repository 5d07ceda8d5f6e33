"""Draw the bars of the README: the MAP of each model of a metrics.json, best first, and chance."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.errors import DataError, PipelineError
from pipeline.formats.files import write_atomically

TEMPLATE = "bars.svg.jinja"


class Bar(NamedTuple):
    """A model's MAP, averaged over both directions.

    Attributes:
        name: of the model.
        value: its MAP, 0 to 1.
        margin: half the width of the 95 % interval over its seeds; None where it has one seed.
    """

    name: str
    value: float
    margin: float | None


def bars(metrics: dict[str, Any]) -> list[Bar]:
    """Return a bar for each model, the best first.

    >>> bars({"models": {"cca": {"average": {"map": 0.4}}, "kcca": {"average": {"map": 0.5, "map_margin": 0.1}}}})
    [Bar(name='kcca', value=0.5, margin=0.1), Bar(name='cca', value=0.4, margin=None)]
    """
    averages = {name: model["average"] for name, model in metrics["models"].items()}
    made = [Bar(name, average["map"], average.get("map_margin")) for name, average in averages.items()]
    return sorted(made, key=lambda bar: -bar.value)


def draw(metrics: dict[str, Any]) -> str:
    """Return the picture as SVG: text stands as text, and nothing is loaded from elsewhere."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    values = {"bars": bars(metrics), "chance": metrics["chance"]["map"], "dataset": metrics["dataset"]}
    return environment.get_template(TEMPLATE).render(values)


def write(metrics: Path, picture: Path) -> None:
    """Write the picture of a metrics.json.

    Raises:
        DataError: the file is not there, or not what stage ``evaluate`` writes.
        DiskError: the picture cannot be written.
    """
    try:
        drawn = draw(json.loads(metrics.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{metrics}: {error!r}; expected the metrics.json of a finished run") from error
    write_atomically(picture, drawn.encode())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.bars", description=__doc__)
    parser.add_argument("metrics", metavar="METRICS", type=Path, help="metrics.json of a finished run")
    parser.add_argument("picture", metavar="PICTURE", type=Path, help="the SVG file to write")
    arguments = parser.parse_args()
    try:
        write(arguments.metrics, arguments.picture)
    except PipelineError as error:
        sys.exit(f"bars: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
