"""Show what the cache folder ($CACHE_DIR) holds, and make room in it."""

import argparse
import sys
from pathlib import Path

from pipeline.clip_jobs.cache.upkeep import (
    AGES,
    File,
    count_ages,
    demo_videos,
    entries,
    format_size,
    leftovers,
    parse_size,
)
from pipeline.clip_jobs.cache.upkeep import prune as remove_oldest
from pipeline.errors import PipelineError
from pipeline.settings.environment import cache_folder
from pipeline.settings.interrupt import one_line_on_interrupt


def stats(folder: Path) -> None:
    """Print a line for each stage: its entries, their size, and when they were last used."""
    ages = "".join(f"{name:>10}" for name in AGES)
    print(f"{folder}\n{'':12}{'entries':>10}{'rejects':>10}{'size':>12}  used within{ages}")
    of_stages = entries(folder)
    for stage, files in of_stages.items():
        _print_row(stage, files, sum(file.is_reject() for file in files))
    everything = [file for files in of_stages.values() for file in files]
    _print_row("all stages", everything, sum(file.is_reject() for file in everything))
    for name, files in (("demo videos", demo_videos(folder)), ("left over", leftovers(folder))):
        _print_row(name, files, 0)


def prune(folder: Path, max_size: str, dry_run: bool) -> None:
    """Remove what was not used for longest, and say how much that was."""
    done = remove_oldest(folder, parse_size(max_size), dry_run=dry_run)
    word = "would remove" if dry_run else "removed"
    print(f"{word} {done.n_entries} entries and {done.n_leftovers} left over files: {format_size(done.n_bytes)}")


def _print_row(name: str, files: list[File], n_rejects: int) -> None:
    size = format_size(sum(file.n_bytes for file in files))
    ages = "".join(f"{count:10}" for count in count_ages(files).values())
    print(f"{name:12}{len(files):10}{n_rejects:10}{size:>12}{'':13}{ages}")


def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.clip_jobs.cache", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("stats", help="entries of each stage, their size and when they were last used")
    pruning = commands.add_parser("prune", help="remove the entries that were not used for longest")
    pruning.add_argument("--max-size", required=True, help="what the entries may take, such as 500MB, 5GB or 2GiB")
    pruning.add_argument("--dry-run", action="store_true", help="remove nothing, say what would be removed")
    options = parser.parse_args()
    try:
        if options.command == "stats":
            stats(cache_folder())
        else:
            prune(cache_folder(), options.max_size, options.dry_run)
    except PipelineError as error:
        sys.exit(f"clip_cache: {type(error).__name__}: {error}")


if __name__ == "__main__":
    with one_line_on_interrupt("clip_cache: stopped by Ctrl-C; run the same command again: it goes on"):
        main()
