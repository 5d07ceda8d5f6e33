"""The commands ``avr cache``: what the cache folder holds, and making room in it."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.command_line import new_app, run
from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.clip_jobs.cache.upkeep import AnyFile

app = new_app("Show what the cache holds, make room ($AVR_CACHE_DIR).")


@app.command()
def stats() -> None:
    """Show how many clips of each stage are kept, and their size.

    Beside it: how many of them are refused clips, and how many were last used within a day, a week, a month or longer
    ago. Of an object store: when they were written, and not how many are refused, as each would have to be read.
    """
    from pipeline.clip_jobs.cache.object_upkeep import stored_entries
    from pipeline.clip_jobs.cache.upkeep import demo_videos, entries, leftovers
    from pipeline.settings.environment import cache_folder, cache_url

    folder = cache_folder()
    if url := cache_url():
        _print_table(url, "written within", stored_entries(url))
        print(folder)
    else:
        _print_table(str(folder), "used within", entries(folder))
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

    In an object store it is those that were written first. The others, which stay, take no more than SIZE. Unfinished
    files of runs that were killed over a day ago go too.
    """
    from pipeline.clip_jobs.cache.upkeep import format_size, parse_size, prune, prune_store
    from pipeline.settings.environment import cache_folder, cache_url

    try:
        max_bytes = parse_size(max_size)
    except ParamsError as error:
        raise typer.BadParameter(str(error), param_hint="--max-size") from error
    url = cache_url()
    done = prune_store(url, max_bytes, dry_run=dry_run) if url else prune(cache_folder(), max_bytes, dry_run=dry_run)
    word = "would remove" if dry_run else "removed"
    print(f"{word} {done.n_entries} entries and {done.n_leftovers} left over files: {format_size(done.n_bytes)}")


def _print_table(place: str, ages: str, of_stages: "Mapping[str, Sequence[AnyFile]]") -> None:
    """The place, the heads of the columns, a line for each stage and one for all."""
    from pipeline.clip_jobs.cache.upkeep import AGES, File

    names = "".join(f"{name:>10}" for name in AGES)
    print(f"{place}\n{'':12}{'entries':>10}{'refused':>10}{'size':>12}  {ages}{names}")
    everything = [file for files in of_stages.values() for file in files]
    for stage, files in (*of_stages.items(), ("all stages", everything)):
        can_tell = all(isinstance(file, File) for file in files)
        refused = sum(isinstance(file, File) and file.is_refusal() for file in files)
        _print_row(stage, files, refused if can_tell else "-")


def _print_row(name: str, files: "Sequence[AnyFile]", refused: int | str) -> None:
    """A line of the table of ``stats``."""
    from pipeline.clip_jobs.cache.upkeep import count_ages, format_size

    size = format_size(sum(file.n_bytes for file in files))
    ages = "".join(f"{count:10}" for count in count_ages(files).values())
    print(f"{name:12}{len(files):10}{refused:>10}{size:>12}{'':13}{ages}")


if __name__ == "__main__":
    run(app, "python -m pipeline.clip_jobs")
