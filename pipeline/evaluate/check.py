"""The command ``avr check``; ``python -m pipeline.evaluate.check`` is another name of it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.command_line import new_app, run
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.evaluate.comparison import Comparison, MetricBounds

KEY = "MODEL.DIRECTION.METRIC"
EXAMPLE = "dual_subspace.average.map=0.6"
CANNOT_BE_LOOKED_AT = 2


def check(
    metrics: Annotated[Path, typer.Argument(metavar="METRICS", help="The metrics.json of the run.")] = Path(
        "metrics.json"
    ),
    *,
    least: Annotated[
        list[str] | None,
        typer.Option("--min", metavar=f"{KEY}=NUMBER", help=f"The smallest value that passes: {EXAMPLE}. Repeatable."),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="NUMBER", help="By how much any number of the table may be lower than in the other run."
        ),
    ] = None,
    max_change: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KEY=]NUMBER",
            help="By how much any number of the table, or the one named, may differ from there. Repeatable.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|REVISION",
            help="The other run: its metrics.json, or a commit, branch, tag or experiment of this repository.",
        ),
    ] = None,
) -> None:
    """Check the numbers of a run, alone or against another run.

    It prints a table for a pull request: the numbers that --min names, and the average MAP of every model where there
    is no --min, or where --max-drop or --max-change is meant for all, which a lost model breaks. Where both runs have
    their tables of queries (plots/queries/), a paired permutation test says whether the luck of the test clips may
    explain a difference. Exit code 0: all limits are kept; 1: one is not; 2: the numbers cannot be looked at.
    """
    if against is None and (max_drop is not None or max_change):
        raise typer.BadParameter("--max-drop and --max-change compare with another run; expected --against too")
    limits = _limits(least or [], max_drop, max_change or [])
    try:
        comparison = _compared(metrics, against, limits)
    except PipelineError as error:
        typer.echo(f"check: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(CANNOT_BE_LOOKED_AT) from error
    from pipeline.evaluate.comparison import markdown

    typer.echo(markdown(comparison))
    if not comparison.passed:
        raise typer.Exit(1)


def _compared(metrics: Path, against: str | None, limits: "MetricBounds") -> "Comparison":
    """The run against its limits and the other run, which is a file where there is one of that name."""
    from pipeline.evaluate.comparison import compare
    from pipeline.evaluate.runs import run_of_file, run_of_revision

    after = run_of_file(metrics)
    if against is None:
        return compare(after, None, limits)
    before = run_of_file(Path(against)) if Path(against).is_file() else run_of_revision(against, metrics)
    return compare(after, before, limits)


def _limits(least: Sequence[str], max_drop: float | None, max_change: Sequence[str]) -> "MetricBounds":
    """What the options say."""
    from pipeline.evaluate.comparison import MetricBounds

    bounds = dict(_named_number(text if "=" in text else f"={text}", "--max-change") for text in max_change)
    general = bounds.pop("", None)
    return MetricBounds(dict(_named_number(text, "--min") for text in least), max_drop, general, bounds)


def _named_number(text: str, option: str) -> tuple[str, float]:
    """The name and the number of ``NAME=NUMBER``."""
    name, sign, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    is_key = name.count(".") == 2 or (not name and option == "--max-change")
    if not (sign and is_key and math.isfinite(value)):
        raise typer.BadParameter(f"{option} {text.lstrip('=')!r}; expected {KEY}=NUMBER, such as {EXAMPLE}")
    return name, value


app = new_app()
app.command()(check)

if __name__ == "__main__":
    run(app, "check")
