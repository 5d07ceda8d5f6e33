"""``avr``: the commands of this project besides `make` and `dvc`.

A command is a function, or an app of several, beside the code that it is for; it imports what is heavy itself, so that
help answers at once.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from pipeline.clip_jobs.__main__ import app as cache
from pipeline.clip_jobs.slurm_command import slurm
from pipeline.command_line import new_app, run
from pipeline.dataset.feature_files.__main__ import export
from pipeline.encoder.__main__ import app as encoder
from pipeline.encoder.__main__ import encode
from pipeline.evaluate.check import check
from pipeline.evaluate.compare import compare
from pipeline.paper.__main__ import results
from pipeline.report.opening import report
from pipeline.search.__main__ import app as index
from pipeline.search.__main__ import search
from pipeline.search.page.__main__ import serve
from pipeline.separation.__main__ import duets, separate
from pipeline.separation.faces.__main__ import faces
from pipeline.settings.environment import APP
from pipeline.tune.__main__ import tune
from pipeline.weights.__main__ import app as weights

app = new_app("Commands for a finished run, its cache and its weights.")
app.add_typer(weights, name="weights")
app.add_typer(cache, name="cache")
app.add_typer(encoder, name="encoder")
app.add_typer(index, name="index")
app.command()(slurm)
app.command()(tune)
app.command()(export)
app.command()(encode)
app.command()(check)
app.command()(compare)
app.command()(results)
app.command()(report)
app.command()(search)
app.command()(serve)
app.command()(separate)
app.command()(duets)
app.command()(faces)


def _print_version(is_asked_for: bool) -> None:
    if is_asked_for:
        print(f"avr {version(APP)}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and end.")
    ] = False,
) -> None:
    """Options of ``avr`` itself."""


def main() -> None:
    """Run the command that the command line names: what the console script ``avr`` calls."""
    run(app, "avr")


if __name__ == "__main__":
    main()
