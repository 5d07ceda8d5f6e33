"""The command ``avr report``: the page with what no out of a stage may hold, the time, the commit and the videos.

Outs repeat to the byte, so the page of the stage `report` has no date and no path of a machine. The command writes a
copy beside the data, ``data/report.html``, which has them and whose players find the videos.
"""

import subprocess
import webbrowser
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_line import new_app, run
from pipeline.errors import DataError, printable
from pipeline.settings.paths import AnyPath

MARK = "<!-- facts -->"
PAGE, COPY = Path("report", "index.html"), Path("data", "report.html")
CLIPS, METRICS = Path("data", "clips.csv"), Path("metrics.json")
GIT_SECONDS = 20


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The project, or a copy of it.")] = Path(),
    *,
    is_opened: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """Open the page about a finished run, with players for clips.

    The page that the stage wrote stays as it is; the copy that is opened is data/report.html.
    """
    copy = write_copy(folder)
    typer.echo(f"report: {printable(str(copy.absolute()))}")
    if is_opened and not webbrowser.open(copy.absolute().as_uri()):
        typer.echo("report: no browser was found; open the file with one")


def write_copy(folder: AnyPath) -> Path:
    """Write the page with the facts of this machine; return where.

    Args:
        folder: of the project.

    Raises:
        DataError: there is no page, or it is one of an earlier version.
        DiskError: the copy cannot be written.
    """
    from pipeline.formats.files import write_atomically
    from pipeline.report.stage_times import as_table, in_short, stage_times
    from pipeline.report.video_links import link_videos
    from pipeline.settings.regular_files import read_regular

    folder = Path(folder)
    try:
        text = read_regular(folder / PAGE).decode()
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / PAGE}: {error}; expected the page of a finished run: run `dvc repro`") from error
    if MARK not in text:
        raise DataError(f"{folder / PAGE}: no place for the facts; expected a page of this version: run `dvc repro`")
    is_linked = link_videos(folder / CLIPS)
    times = stage_times(folder)
    inserted = _as_html(facts(folder, is_linked, in_short(times))) + as_table(times)
    write_atomically(folder / COPY, text.replace(MARK, inserted, 1).encode())
    return folder / COPY


def facts(folder: AnyPath, is_linked: bool, run_time: str) -> dict[str, str]:
    """Return what is true of a run on this machine only, in words.

    Args:
        folder: of the project.
        is_linked: whether the videos can be reached.
        run_time: how long its stages took, in words.
    """
    folder = Path(folder)
    found = {"Folder": str(folder.absolute()), "Measured": _measured(folder), "Commit": _commit(folder)}
    found["Run time"] = run_time
    found["Videos"] = str((folder / CLIPS).with_name("videos").resolve()) if is_linked else "not in their place"
    return {name: printable(text) for name, text in found.items() if text}


def _measured(folder: Path) -> str:
    """When metrics.json was written."""
    path = folder / METRICS
    if not path.is_file():
        return ""
    from pipeline.report.stage_times import moment

    return moment(path.stat().st_mtime)


def _commit(folder: Path) -> str:
    """The commit that the folder is at, and whether something in it is not committed."""
    try:
        commit = _git(folder, "log", "-1", "--format=%h of %cs: %s")
        return f"{commit} (with changes that are not committed)" if _git(folder, "status", "--porcelain") else commit
    except (OSError, subprocess.SubprocessError):
        return "none: the folder is no repository of git"


def _git(folder: Path, *words: str) -> str:
    """What git says about a folder."""
    command = ["git", "-C", str(folder.absolute()), *words]
    done = subprocess.run(command, capture_output=True, check=True, timeout=GIT_SECONDS)
    return done.stdout.decode(errors="replace").strip()


def _as_html(found: Mapping[str, str]) -> str:
    """The facts as a paragraph."""
    lines = [f"<strong>{escape(name)}:</strong> {escape(text)}" for name, text in found.items()]
    return f'<p class="facts any">{"<br>".join(lines)}</p>'


app = new_app()
app.command()(report)

if __name__ == "__main__":
    run(app, "report")
