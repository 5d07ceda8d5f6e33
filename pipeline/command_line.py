"""What all commands have in common: plain help, known errors in one line, exit codes."""

import sys

import typer

from pipeline.errors import PipelineError
from pipeline.settings.interrupt import one_line_on_interrupt


def new_app(help_text: str | None = None) -> typer.Typer:
    """Return an app without commands, whose help is plain text, in a terminal and elsewhere.

    Args:
        help_text: what its commands are for; None where it gets one command only, whose docstring says so.

    Examples:
        >>> app = new_app("Count clips.")
        >>> @app.command()
        ... def count(n_clips: int) -> None:
        ...     print(n_clips, "clips")
        >>> count(3)
        3 clips
    """
    return typer.Typer(
        help=help_text,
        add_completion=False,
        no_args_is_help=help_text is not None,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def run(app: typer.Typer, name: str) -> None:
    """Run the command that the command line names; end the process with its exit code where that is not 0.

    0: done; 1: a known error, or a file that the system refuses, in one line on stderr; 2: the command line cannot be
    understood; 130: Ctrl-C.

    Args:
        app: the commands.
        name: what a user types to call them, for help and messages.
    """
    with one_line_on_interrupt(f"{name}: stopped by Ctrl-C; run the same command again: what is finished is kept"):
        try:
            app(prog_name=name)
        except PipelineError as error:
            sys.exit(f"{name}: {type(error).__name__}: {error}")
        except OSError as error:
            if error.filename is None:
                raise
            sys.exit(f"{name}: {error.filename}: {error.strerror}")
        except SystemExit as end:
            if end.code:
                raise
