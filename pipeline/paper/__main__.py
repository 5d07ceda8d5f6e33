"""The command ``avr results``; ``python -m pipeline.paper`` is another name of it."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_line import new_app, run
from pipeline.evaluate.compare import RUN_HELP
from pipeline.paper.forms import TableForm


def results(
    of: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)] = ".",
    *,
    table: Annotated[TableForm, typer.Option(help="Form of the table.")] = TableForm.MARKDOWN,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table there; else it is printed.")] = None,
    curves: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw the precision-scope curves there: .svg, .pdf or .png."),
    ] = None,
) -> None:
    """Write the table and the curves of a run for a paper.

    The table has the MAP of every model each way, its 95 % interval over groups of test clips, and chance; the caption
    says what it was measured on. The LaTeX needs the package booktabs alone.
    """
    from pipeline.errors import ParamsError
    from pipeline.evaluate.runs import find_run
    from pipeline.formats.files import write_atomically
    from pipeline.paper.curves import draw_curves
    from pipeline.paper.forms import in_form
    from pipeline.paper.maps import paper_table

    if curves is not None and out is not None and curves.resolve() == out.resolve():
        raise ParamsError(f"--out and --curves: both are {out}; expected two files")
    found = find_run(of)
    text = in_form(paper_table(found), table)
    picture = None if curves is None else draw_curves(found, curves.suffix)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text.encode())
    if curves is not None and picture is not None:
        write_atomically(curves, picture)


app = new_app()
app.command()(results)

if __name__ == "__main__":
    run(app, "results")
