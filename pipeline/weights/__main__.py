"""The commands ``avr weights``; ``python -m pipeline.weights`` is another name of them."""

# The store loads torch, so the commands import it themselves: help answers at once.

from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_line import new_app, run
from pipeline.errors import DataError, ParamsError
from pipeline.network_parts.base import network_lines, network_part
from pipeline.settings.params import read_section
from pipeline.weights import kept_file
from pipeline.weights.sources import RANDOM, SOURCES

app = new_app("Fetch, import and check pretrained weights ($AVR_WEIGHTS_DIR).")


@app.command()
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help=f"{', '.join(SOURCES)}. [default: what params.yaml names]"),
    ] = None,
) -> None:
    """Fetch published weights, unless they are here already and whole."""
    from pipeline.weights import store

    if unknown := [name for name in names or () if name not in SOURCES]:
        raise ParamsError(f"{unknown[0]!r} is unknown; expected one of: {', '.join(SOURCES)}")
    for name in names or _chosen():
        path = kept_file(SOURCES[name].network, name)
        if not _is_whole(path):
            store.fetch(name)
        print(f"{name}: {path}")


@app.command()
def verify() -> None:
    """Compare the weights that are here with what was noted about them.

    Damaged ones end in exit code 1.
    """
    from pipeline.settings import environment
    from pipeline.weights import store

    kept = store.kept_files()
    if not kept:
        print(f"{environment.weights_folder()}: no weights to verify")
    for path in kept:
        _, record = store.read(path)
        print(f"{path.name}: as noted on {record['date']}, SHA-256 of its tensors {record['state_sha256']}")


@app.command("import")
def import_path(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A file of weights, or the folder of a SavedModel or a TensorFlow.js model."
        ),
    ],
    network: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose weights they are. [default: told by what is in the file]")
    ] = None,
    licence: Annotated[str, typer.Option(metavar="TEXT", help="What their publisher says, for the record.")] = "",
    url: Annotated[str, typer.Option(metavar="URL", help="Where they are published, for the record.")] = "",
) -> None:
    """Convert weights that you brought, and keep them.

    What to write into params.yaml is printed. A file under its published name, such as vggish-10086976.pth, becomes
    the source that it comes from.
    """
    from pipeline.weights import store
    from pipeline.weights.readers import is_from_keras

    if network is not None:
        network_part(network, "about")
    name = next((name for name, source in SOURCES.items() if source.file == path.name), None)
    if name is None:
        name = store.import_file(network, path, licence, url)
    elif network not in (None, SOURCES[name].network) or licence or url:
        source = SOURCES[name]
        known = f"the file of {source.network}.weights={name}, from {source.url}, {source.licence}"
        raise ParamsError(f"{path}: {known}; expected no other network, licence or URL")
    else:
        store.fetch(name, path)
    (kept,) = (found for found in store.kept_files() if found.name.endswith(f".{name}.safetensors"))
    print(f"{path}: {kept}")
    network = kept.name.partition(".")[0]
    print(f"write into params.yaml, section {network}:\n  weights: {name}")
    if is_from_keras(path):
        for key, value in network_part(network, "published").KERAS_CHOICES.items():
            print(f"  {key}: {value}")


@app.command()
def prune() -> None:
    """Remove the unfinished files and notes of killed runs."""
    from pipeline.settings import environment
    from pipeline.weights.unfinished import remove_unfinished

    folder = environment.weights_folder()
    removed = remove_unfinished(folder)
    print(f"{folder}: removed {len(removed)} left over files and folders")


@app.command("list")
def list_all() -> None:
    """Show the known sources, their licences, and what is here."""
    from pipeline.settings import environment
    from pipeline.weights import store

    for name, source in SOURCES.items():
        there = "here" if kept_file(source.network, name).exists() else "not fetched"
        print(f"{source.network}.weights={name}: {there}; {source.url}; {source.licence}")
    print(f"\n{environment.weights_folder()} ($AVR_WEIGHTS_DIR) holds:")
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
    """Run ``python -m pipeline.weights``."""
    run(app, "python -m pipeline.weights")


if __name__ == "__main__":
    main()
