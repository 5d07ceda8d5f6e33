"""Results on a terminal, as CSV and as JSON, in characters that a terminal does not obey."""

import json
import tempfile
from pathlib import Path

import pyarrow.compute as pc

from pipeline.errors import printable
from pipeline.features.clip_windows import IN_WORDS
from pipeline.formats.csv_rows import write_rows
from pipeline.search.approximate import approximations
from pipeline.search.index import Index
from pipeline.search.rows import Answer, Result

COLUMNS = ("rank", "score", "label", "clip_id", "path", "start", "end", "split", "modality")
WIDEST_LABEL = 32


def as_lines(answer: Answer) -> str:
    """Return a line a result, and a last one of model, rows and seconds.

    Example:
        >>> found = Result(1, 0.91234, "a/1.mp4", "a/1.mp4", "dog", "test", 0.0, 2.5, "visual")
        >>> print(as_lines(Answer([found], "cca", 200, 0.25)))
        rank  score  label  path
           1  0.912  dog    a/1.mp4#t=0,2.5
        cca, 200 rows, 0.25 s
    """
    labels = [_cut(printable(result.label)) for result in answer.results]
    width = max(map(len, [*labels, "label"]))
    lines = [
        f"{result.rank:4}  {result.score:5.3f}  {label:{width}}  {place_of(result)}"
        for result, label in zip(answer.results, labels, strict=True)
    ]
    header = [f"rank  score  {'label':{width}}  path"] if lines else ["nothing found: no row passes the filter"]
    return "\n".join([*header, *lines, f"{answer.model}, {answer.n_rows} rows, {answer.seconds:.2f} s"])


def as_json(answer: Answer) -> str:
    """Return the answer as one JSON object: model, n_rows, seconds, passed_over and results."""
    results, passed_over = [_cells(result) for result in answer.results], list(map(str, answer.passed_over))
    content = {**answer._asdict(), "passed_over": passed_over, "results": results}
    return json.dumps(content, indent=2).replace("\x7f", "\\u007f")  # the one such character that JSON leaves as it is


def as_csv(answer: Answer) -> str:
    """Return a table with a row a result, as ``pipeline.formats.csv_rows`` writes tables."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.csv"
        rows = [list(_cells(result).values()) for result in answer.results]
        write_rows(path, COLUMNS, [[_printable(cell) for cell in row] for row in rows])
        return path.read_text(encoding="utf-8").removesuffix("\n")


def as_facts(index: Index) -> str:
    """Return a line for each fact of an index: its rows, what made it, the folder of its clips, how it is searched."""
    facts, snapshot = index.facts, index.snapshot
    settings = approximations(snapshot.table)
    counts = {name: len(pc.unique(snapshot.texts[name])) for name in ("clip_id", "label")}
    sides = [f"{int(snapshot.matrix(name)[1].sum())} with {words}" for name, words in IN_WORDS.items()]
    window = (
        "a row is a whole clip" if facts.window_seconds is None else f"a row is {facts.window_seconds:g} s of a clip"
    )
    lines = {
        "index": index.folder,
        "rows": f"{len(index)} of {counts['clip_id']} clips, {', '.join(sides)}; {window}",
        "labels": counts["label"],
        "encoder": f"{facts.encoder[:12]}, {facts.model}, {facts.width} wide",
        "videos": facts.root,
        "version": snapshot.version,
        "search": "; ".join(f"{name} approximate, recall@10 {of.recall:.4f}" for name, of in settings.items())
        or "exact",
    }
    return "\n".join(f"{name:8} {printable(str(value))}" for name, value in lines.items())


def place_of(result: Result) -> str:
    """Return the path of a result with its span of time, as a query takes it; its id where it has no file."""
    span = f"#t={_short(result.start)},{_short(result.end)}" if result.end > result.start else ""
    return printable(result.path or f"clip:{result.clip_id}") + span


def _cells(result: Result) -> dict[str, str | int | float]:
    """A result by column."""
    return {name: getattr(result, name) for name in COLUMNS}


def _printable(cell: str | int | float) -> str | int | float:
    """A cell that a terminal does not obey."""
    return printable(cell) if isinstance(cell, str) else cell


def _short(seconds: float) -> str:
    """A time to the hundredth, without zeros at its end."""
    return f"{seconds:.2f}".rstrip("0").rstrip(".")


def _cut(label: str) -> str:
    """A label that is short enough for a line."""
    return label if len(label) <= WIDEST_LABEL else f"{label[: WIDEST_LABEL - 1]}~"
