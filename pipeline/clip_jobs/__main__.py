"""The commands ``avr cache``: what the cache folder holds, and making room in it."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.command_line import new_app, run
from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from pipeline.clip_jobs.cache.upkeep import File

app = new_app("Show what the cache folder holds, make room ($AVR_CACHE_DIR).")


@app.command()
def stats() -> None:
    """Show how many clips of each stage are kept, and their size.

    Beside it: how many of them are refused clips, and how many were last used within a day, a week, a month or longer
    ago.
    """
    from pipeline.clip_jobs.cache.upkeep import AGES, demo_videos, entries, leftovers
    from pipeline.settings.environment import cache_folder

    folder = cache_folder()
    ages = "".join(f"{name:>10}" for name in AGES)
    print(f"{folder}\n{'':12}{'entries':>10}{'refused':>10}{'size':>12}  used within{ages}")
    of_stages = entries(folder)
    for stage, files in of_stages.items():
        _print_row(stage, files, sum(file.is_refusal() for file in files))
    everything = [file for files in of_stages.values() for file in files]
    _print_row("all stages", everything, sum(file.is_refusal() for file in everything))
    for name, files in (("demo videos", demo_videos(folder)), ("left over", leftovers(folder))):
        _print_row(name, files, 0)


@app.command("prune")
def prune_entries(
    max_size: Annotated[
        str, typer.Option("--max-size", metavar="SIZE", help="What may stay, such as 500MB, 5GB or 2GiB.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing, say how much would be removed.")] = False,
) -> None:
    """Remove the clips that were not used for longest.

    The others, which stay, take no more than SIZE. Unfinished files of runs that were killed over a day ago go too.
    """
    from pipeline.clip_jobs.cache.upkeep import format_size, parse_size, prune
    from pipeline.settings.environment import cache_folder

    try:
        max_bytes = parse_size(max_size)
    except ParamsError as error:
        raise typer.BadParameter(str(error), param_hint="--max-size") from error
    done = prune(cache_folder(), max_bytes, dry_run=dry_run)
    word = "would remove" if dry_run else "removed"
    print(f"{word} {done.n_entries} entries and {done.n_leftovers} left over files: {format_size(done.n_bytes)}")


def _print_row(name: str, files: "list[File]", n_refused: int) -> None:
    """A line of the table of ``stats``."""
    from pipeline.clip_jobs.cache.upkeep import count_ages, format_size

    size = format_size(sum(file.n_bytes for file in files))
    ages = "".join(f"{count:10}" for count in count_ages(files).values())
    print(f"{name:12}{len(files):10}{n_refused:10}{size:>12}{'':13}{ages}")


if __name__ == "__main__":
    run(app, "python -m pipeline.clip_jobs")
