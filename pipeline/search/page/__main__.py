"""The command ``avr serve``."""

import os
from pathlib import Path
from typing import Annotated

import typer


def serve(
    *,
    index: Annotated[str, typer.Option(metavar="DIR", help="Folder of the index, or an s3:// URI.")] = "data/index",
    encoder: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the encoder that made it.")] = Path(
        "data/encoder"
    ),
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0: a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What users have to know; AVR_TOKEN says it without others seeing it."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name that browsers may call the server by; may come again."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that decode the files users send.")] = 2,
    separation: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of a task whose separator was trained, such as separation/speech: one track of a sent video "
            "can be the query.",
        ),
    ] = None,
) -> None:
    """Serve a page to search an index in a browser.

    Drop a file, record a sound or click a clip of the archive; results play from the right second on. Only programs of
    this machine reach the page, unless --host says otherwise: then a token is needed. Files that users send are decoded
    in processes of their own, bounded in size, length and time, and never kept.
    """
    from pipeline.errors import ParamsError

    try:
        from pipeline.search.page.server import ServerOptions, run_server
    except ModuleNotFoundError as error:
        from pipeline.search.store import INSTALL

        raise ParamsError(f"the page needs {error.name}, which is not installed; expected {INSTALL}") from error
    secret = token if token is not None else os.environ.get("AVR_TOKEN") or None
    run_server(ServerOptions(index, encoder, host, port, secret, allow_host or [], workers, separation))


def main() -> None:
    """Run ``python -m pipeline.search.page``."""
    from pipeline.command_line import new_app, run

    app = new_app()
    app.command()(serve)
    run(app, "python -m pipeline.search.page")


if __name__ == "__main__":
    main()
