"""The commands ``avr encode`` and ``avr encoder``; ``python -m pipeline.encoder`` is another name of the latter."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_line import new_app, run

app = new_app("Look at a trained encoder, hand it on, fetch one.")
DEFAULT = Path("data/encoder")
Folder = Annotated[Path, typer.Option("--encoder", metavar="FOLDER", help="Folder that the stage `encoder` wrote.")]
Repo = Annotated[str, typer.Argument(metavar="USER/NAME", help="A repository of the Hugging Face Hub.")]


def encode(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE_OR_FOLDER", help="Videos, sounds, pictures, or folders of them.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="What to write, .npz or .parquet.")],
    encoder: Folder = DEFAULT,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Fit to ask. [default: the first]")] = None,
) -> None:
    """Embed files: both sides of each as vectors of the joint space.

    Folders are searched at any depth for names of videos, sounds and pictures. A refused file costs itself alone: it is
    named on stderr and in FILE's .rejected.csv, and the exit code is 1. A killed run goes on where it stopped.
    """
    from pipeline.encoder import Encoder
    from pipeline.encoder.batch import encode_files
    from pipeline.encoder.found_files import media_files
    from pipeline.encoder.outputs import check_out, rejected_file, write_vectors

    check_out(out)
    loaded = Encoder.load(encoder, seed)
    vectors = encode_files(loaded, media_files(paths))
    write_vectors(vectors, loaded, out)
    n_sounds, n_pictures = vectors.has("audio").sum(), vectors.has("visual").sum()
    sides = f"{n_sounds} with sound, {n_pictures} with pictures"
    print(f"{out}: {len(vectors.paths)} files ({sides}), vectors of width {loaded.width} by {loaded.model}")
    if vectors.refused:
        for row in vectors.refused:
            print(row.reason, file=sys.stderr)
        print(f"encode: refused, in full or one side: {rejected_file(out)}", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def show(encoder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of an encoder.")] = DEFAULT) -> None:
    """Say what an encoder is made of, after checking that it is whole."""
    from pipeline.encoder import Encoder
    from pipeline.encoder.card import interval
    from pipeline.formats.headlines import headline_of_report

    loaded = Encoder.load(encoder)
    config = loaded.config
    print(f"{encoder}: {loaded.model}, width {loaded.width}, seeds {config.model.seeds}, {len(loaded.classes)} classes")
    for modality, network in config.networks.items():
        facts = network.facts
        print(f"  {modality}: {network.name}, weights {facts['weights']}, SHA-256 {str(facts['sha256'])[:12]}")
    headline = headline_of_report(config.provenance)
    chance = config.metrics["chance"][headline]
    print(f"  {headline.upper()} {interval(config.metrics['model']['average'], headline)}, chance {chance:.3f}")
    print(f"  fingerprint {loaded.fingerprint}")


@app.command("pack")
def pack_folder(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write.")],
    *,
    encoder: Folder = DEFAULT,
    with_weights: Annotated[
        bool, typer.Option("--with-weights", help="Copy the weights of its networks into it, about 370 MB.")
    ] = False,
) -> None:
    """Copy an encoder, with the weights of its networks if wanted.

    With them it needs nothing else, and no network.
    """
    from pipeline.encoder.sharing import pack

    pack(encoder, out, with_weights)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{out}: {size / 1e6:.1f} MB")


@app.command("push")
def push_folder(
    repo: Repo,
    *,
    encoder: Folder = DEFAULT,
    private: Annotated[bool, typer.Option("--private", help="A new repository is for its owner alone.")] = False,
) -> None:
    """Upload an encoder to the Hugging Face Hub.

    The token is $HF_TOKEN, or that of `hf auth login`; $HF_ENDPOINT names another Hub.
    """
    from pipeline.encoder.sharing import push

    print(push(encoder, repo, private))


@app.command("pull")
def pull_folder(
    repo: Repo,
    *,
    encoder: Folder = DEFAULT,
    revision: Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit.")] = None,
) -> None:
    """Fetch an encoder from the Hugging Face Hub.

    The one that is there is replaced once the new one is whole and has been checked.
    """
    from pipeline.encoder.sharing import pull

    pull(repo, encoder, revision)
    print(f"{encoder}: {repo}")


def main() -> None:
    """Run ``python -m pipeline.encoder``."""
    run(app, "python -m pipeline.encoder")


if __name__ == "__main__":
    main()
