"""The table of a paper as text: Markdown, and LaTeX with no package but booktabs."""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum

from pipeline.errors import printable
from pipeline.evaluate.compare import MARKS
from pipeline.paper.maps import Estimate, PaperTable

NONE = "-"
LATEX_MARKS = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}


class TableForm(StrEnum):
    """The forms that a table can be written in."""

    MARKDOWN = "markdown"
    LATEX = "latex"


def in_form(table: PaperTable, form: TableForm) -> str:
    """Return the table as text that ends a line.

    Args:
        table: of a run.
        form: Markdown or LaTeX.
    """
    return "\n".join({TableForm.MARKDOWN: _markdown, TableForm.LATEX: _latex}[form](table)) + "\n"


def latex_text(text: str) -> str:
    r"""Return a text whose characters mean nothing to LaTeX; letters beyond ASCII stay, as LaTeX reads UTF-8.

    Example:
        >>> print(latex_text("dual_subspace & 50% {x}"))
        dual\_subspace \& 50\% \{x\}
    """
    return re.sub("-(?=-)", "-{}", "".join(LATEX_MARKS.get(sign, sign) for sign in printable(text)))


def markdown_text(text: str) -> str:
    r"""Return a text whose characters mean nothing to Markdown or HTML.

    Example:
        >>> print(markdown_text("dual_subspace | x"))
        dual\_subspace \| x
    """
    return "".join(f"\\{sign}" if sign in MARKS else sign for sign in printable(text))


def _markdown(table: PaperTable) -> Iterator[str]:
    """Lines of Markdown."""
    heads = ["model", "audio → visual", "visual → audio", "average", *(["seeds ±"] if _has_seeds(table) else [])]
    yield f"| {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * (len(heads) - 1)}"
    for cells in _cells(table, markdown_text, lambda value, margin: f"{value} ± {margin}", str):
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield " ".join(_caption(table, markdown_text, "±", "95 %", "seeds ±"))


def _latex(table: PaperTable) -> Iterator[str]:
    """Lines of LaTeX."""
    ways = [r"audio $\to$ visual", r"visual $\to$ audio"]
    heads = ["model", *ways, "average", *([r"seeds $\pm$"] if _has_seeds(table) else [])]
    caption = _caption(table, latex_text, r"$\pm$", r"95\,\%", r"seeds $\pm$")
    yield r"% needs \usepackage{booktabs}"
    yield r"\begin{table}"
    yield r"  \centering"
    yield f"  \\caption{{{' '.join(caption)}}}"
    yield r"  \label{tab:map}"
    yield f"  \\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}"
    yield r"    \toprule"
    yield f"    {' & '.join(heads)} \\\\"
    yield r"    \midrule"
    *models, chance = _cells(table, latex_text, lambda value, margin: f"${value} \\pm {margin}$", "${}$".format)
    for cells in models:
        yield f"    {' & '.join(cells)} \\\\"
    yield r"    \midrule"
    yield f"    {' & '.join(chance)} \\\\"
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _has_seeds(table: PaperTable) -> bool:
    """Whether a model has several fits."""
    return any(row.seeds_margin is not None for row in table.rows)


def _cells(
    table: PaperTable, text: Callable[[str], str], pair: Callable[[str, str], str], number: Callable[[str], str]
) -> Iterator[list[str]]:
    """The cells of each model's line, then those of chance."""

    def cell(of: Estimate) -> str:
        value = f"{of.value:.3f}"
        return number(value) if of.margin is None else pair(value, f"{of.margin:.3f}")

    has_seeds = _has_seeds(table)
    for row in table.rows:
        seeds = NONE if row.seeds_margin is None else number(f"{row.seeds_margin:.3f}")
        yield [text(row.name), *map(cell, row.maps), *([seeds] if has_seeds else [])]
    yield ["chance", *[number(f"{table.chance:.3f}")] * 3, *([NONE] if has_seeds else [])]


def _caption(table: PaperTable, text: Callable[[str], str], plus_minus: str, level: str, seeds: str) -> Iterator[str]:
    """Sentences on what the numbers are of, and what the intervals are."""
    queries = "each a query once each way" if table.n_queries == table.n_test else f"{table.n_queries} drawn as queries"
    shared = "that share a sound, a picture, a file or a source"
    yield f"Mean average precision on {text(table.dataset)}: {table.n_test} test clips of {table.n_classes} classes,"
    yield f"{queries}, in {table.n_groups} group{'s' if table.n_groups > 1 else ''} {shared}."
    if table.n_groups > 1:
        yield f"{plus_minus}: half the width of the {level} interval over these groups (the standard error of one fit,"
        yield f"Student's t of {table.n_groups - 1} degrees of freedom)."
    else:
        yield "One group has no spread, so that there is no interval over test clips."
    if table.of_average_only:
        yield "The tables that hold those of the two directions are not at hand."
    if _has_seeds(table):
        yield f"{seeds}: half the width of the {level} interval of the average over the seeds of the training."
    for name in table.alone:
        yield f"All queries have one {name}: no interval covers others."
    yield "chance: random rankings."
