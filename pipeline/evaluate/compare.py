"""The command ``avr compare``; ``python -m pipeline.evaluate.compare`` is another name of it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from pipeline.command_line import new_app, run
from pipeline.errors import printable

if TYPE_CHECKING:
    from pipeline.evaluate.side_by_side import ComparedQuery, SideBySide

NONE = "-"
MARKS = r"\`*_{}[]<>|#~!&$@"  # that Markdown, GitHub or HTML would obey
WAYS = {"audio_to_visual": "sound to video", "visual_to_audio": "video to sound"}
RUN_HELP = "The folder of a finished run, its metrics.json, or a commit, branch, tag or experiment of this repository."


class Block(NamedTuple):
    """A table under a heading.

    Attributes:
        title: the heading.
        heads: of the columns; all but the first ``n_texts`` hold numbers.
        rows: the cells.
        n_texts: how many columns hold text.
        rest: what is said below, such as how many rows are left out; empty: nothing.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_texts: int
    rest: str = ""


def compare(
    before: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    after: Annotated[str, typer.Argument(metavar="RUN", help="The other run, in any of these forms.")],
    *,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose classes and queries to show; the first one of both runs.")
    ] = None,
    top: Annotated[int, typer.Option(min=0, metavar="N", help="How many rows to show of a list.")] = 20,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Write tables for a pull request.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write all rows as JSON.")] = False,
) -> None:
    """Compare two finished runs by model, class and query.

    The p-value of a model is that of a paired permutation test over the test clips. A query is right where its first
    result has its class, in every seed of the model. Limits that a run has to keep are for `avr check`.
    """
    if as_markdown and as_json:
        raise typer.BadParameter("--markdown and --json are two forms; expected one of them")
    from pipeline.evaluate.runs import find_run
    from pipeline.evaluate.side_by_side import as_json as json_of
    from pipeline.evaluate.side_by_side import side_by_side

    found = side_by_side(find_run(before), find_run(after), model)
    if as_json:
        import json

        typer.echo(json.dumps(json_of(found), indent=2))
    else:
        typer.echo("\n\n".join(_markdown(found, top) if as_markdown else _text(found, top)))


def _blocks(of: "SideBySide", top: int) -> Iterator[Block]:
    """What there is to show, as tables."""
    heads = ("before", "after", "change")
    maps = [
        (
            row.key.partition(".average.")[0],
            *_cells(row.before, row.after),
            NONE if row.p is None else f"{row.p:#.2g}",
        )
        for row in of.models
    ]
    metric = of.models[0].key.rpartition(".")[2] if of.models else "map"
    yield Block(f"{metric.upper()} of each model, the average of both directions", ("model", *heads, "p"), maps, 1)
    if not of.classes:
        return
    classes = [(row.label, *_cells(row.before, row.after)) for row in of.classes]
    changed = [row for row in classes if row[-1] not in (NONE, "+0.0000")]
    ends = classes if len(classes) <= 2 * top else [*classes[:top], *classes[len(classes) - top :]]
    rest = f"{len(classes) - len(ends)} classes between these are left out." if len(ends) < len(classes) else ""
    title = f"MAP of the classes, {of.model}: {len(changed)} of {len(classes)} changed"
    yield Block(title, ("class", *heads), ends, 1, rest)
    for word, rows in (("Right before, wrong after", of.became_wrong), ("Wrong before, right after", of.became_right)):
        yield _of_queries(f"{word}: {len(rows)} of {of.n_queries} queries, {of.model}", rows, top)


def _of_queries(title: str, rows: Sequence["ComparedQuery"], top: int) -> Block:
    """The queries that changed most."""
    cells = [
        (row.clip_id, WAYS.get(row.direction, row.direction), *_cells(row.before, row.after)) for row in rows[:top]
    ]
    rest = f"The first {top}; --top or --json shows all." if len(rows) > top else ""
    return Block(title, ("query", "direction", "AP before", "after", "change"), cells, 2, rest)


def _cells(before: float | None, after: float | None) -> tuple[str, str, str]:
    """Two numbers and their difference."""
    change = None if before is None or after is None else after - before
    forms = zip((before, after, change), (".4f", ".4f", "+.4f"), strict=True)
    one, other, difference = (NONE if value is None else format(value, form) for value, form in forms)
    return one, other, "+0.0000" if difference == "-0.0000" else difference


def _text(of: "SideBySide", top: int) -> Iterator[str]:
    """Blocks for a terminal, in columns."""
    yield printable(f"before: {of.before}") + "\n" + printable(f"after:  {of.after}")
    for title, heads, rows, n_texts, rest in _blocks(of, top):
        table = [tuple(map(printable, row)) for row in (heads, *rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(_aligned(row, widths, n_texts)).rstrip() for row in table]
        yield "\n".join([printable(title), *(f"  {line}" for line in lines if rows), *([f"  {rest}"] if rest else [])])
    yield from map(printable, of.notes)


def _aligned(cells: Sequence[str], widths: Sequence[int], n_texts: int) -> Iterator[str]:
    """Text to the left, numbers to the right."""
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        yield cell.ljust(width) if place < n_texts else cell.rjust(width)


def _markdown(of: "SideBySide", top: int) -> Iterator[str]:
    """Blocks for a pull request."""
    yield f"Before: {_escaped(of.before)}. After: {_escaped(of.after)}."
    for title, heads, rows, n_texts, rest in _blocks(of, top):
        yield f"**{_escaped(title)}**"
        if rows:
            signs = ["---" if place < n_texts else "---:" for place in range(len(heads))]
            table = [heads, signs, *([*map(_escaped, row[:n_texts]), *row[n_texts:]] for row in rows)]
            yield "\n".join(f"| {' | '.join(cells)} |" for cells in table)
        if rest:
            yield rest
    yield from map(_escaped, of.notes)


def _escaped(text: str) -> str:
    """A text whose characters mean nothing to Markdown or HTML."""
    return "".join(f"\\{sign}" if sign in MARKS else sign for sign in printable(text))


app = new_app()
app.command()(compare)

if __name__ == "__main__":
    run(app, "compare")
