"""Fetch, check, import and list the weights of the networks."""

# The store loads torch, so the commands import it themselves: --help answers at once.

import argparse
import sys
from pathlib import Path

from pipeline.errors import DataError, ParamsError, PipelineError
from pipeline.network_parts.base import network_lines
from pipeline.settings.interrupt import one_line_on_interrupt
from pipeline.settings.params import read_section
from pipeline.weights.sources import RANDOM, SOURCES


def fetch(names: list[str]) -> None:
    """Fetch sources by name, or those that params.yaml chooses; what is there and whole is not fetched again."""
    from pipeline.weights import store

    if unknown := [name for name in names if name not in SOURCES]:
        raise ParamsError(f"{unknown[0]!r} is unknown; expected one of: {', '.join(SOURCES)}")
    for name in names or _chosen():
        path = store.kept_file(SOURCES[name].network, name)
        if not _is_whole(path):
            store.fetch(name)
        print(f"{name}: {path}")


def verify() -> None:
    """Read every set of weights; the first one that is damaged stops the program."""
    from pipeline.settings import environment
    from pipeline.weights import store

    kept = store.kept_files()
    if not kept:
        print(f"{environment.weights_folder()}: no weights to verify")
    for path in kept:
        _, record = store.read(path)
        print(f"{path.name}: as noted on {record['date']}, SHA-256 of its tensors {record['state_sha256']}")


def import_path(path: Path) -> None:
    """Keep the weights of a file: a published one under its source's name, another for when params.yaml names it."""
    from pipeline.weights import store

    if name := next((name for name, source in SOURCES.items() if source.file == path.name), None):
        store.fetch(name, path)
        print(f"{path}: {store.kept_file(SOURCES[name].network, name)}")
        return
    name = store.import_file(None, path)
    (kept,) = (found for found in store.kept_files() if found.name.endswith(f".{name}.safetensors"))
    print(f"{path}: {kept}")


def list_all() -> None:
    """Print the known sources and what is in the weights folder."""
    from pipeline.settings import environment
    from pipeline.weights import store

    for name, source in SOURCES.items():
        there = "here" if store.kept_file(source.network, name).exists() else "not fetched"
        print(f"{source.network}.weights={name}: {there}; {source.url}; {source.licence}")
    print(f"\n{environment.weights_folder()} ($WEIGHTS_DIR) holds:")
    for path in store.kept_files():
        print(f"  {path.name}")


def _chosen() -> list[str]:
    """The names of sources that params.yaml has; random weights and paths need no fetching."""
    chosen = [str(read_section(f"{network}.weights")) for network in network_lines()]
    for name in chosen:
        if name not in SOURCES:
            print(f"{name}: nothing to fetch" + (", it is made on the spot" if name == RANDOM else ""))
    return [name for name in chosen if name in SOURCES]


def _is_whole(path: Path) -> bool:
    from pipeline.weights import store

    try:
        store.read(path)
    except DataError:
        return False
    return True


def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.weights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help=f"one or more of {', '.join(SOURCES)}").add_argument("names", nargs="*")
    commands.add_parser("verify", help="compare all weights that are here with what was noted about them")
    commands.add_parser("import", help="convert a file or folder").add_argument("path", type=Path)
    commands.add_parser("list", help="known sources, and what is here")
    options = parser.parse_args()
    actions = {
        "fetch": lambda: fetch(options.names),
        "verify": verify,
        "import": lambda: import_path(options.path),
        "list": list_all,
    }
    try:
        actions[options.command]()
    except PipelineError as error:
        sys.exit(f"weights: {type(error).__name__}: {error}")


if __name__ == "__main__":
    with one_line_on_interrupt("weights: stopped by Ctrl-C; run the same command again: whole files are kept"):
        main()
