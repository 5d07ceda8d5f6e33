"""The command ``avr export``: what a run made, for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_line import new_app, run
from pipeline.errors import ParamsError


def export(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; is made if missing.")],
    *,
    features: Annotated[
        Path, typer.Option(metavar="FILE", help="Feature table that the stage `features` wrote.")
    ] = Path("data/features.safetensors"),
    embeddings: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder that the stage `train` wrote to.")] = Path(
        "data/embeddings"
    ),
    seeds: Annotated[
        str, typer.Option(metavar="WHICH", help="Embeddings of each model's first seed, or all.")
    ] = "first",
) -> None:
    """Write features and embeddings of a run as HDF5, npz and Parquet.

    DIR gets features.h5, features.npz and features.parquet, NAME.parquet for each model of params.yaml that has
    embeddings, NETWORK_vectors.parquet for each network, and README.md. Embeddings are of length 1.
    """
    from pipeline.dataset.feature_files.export import export_run
    from pipeline.settings.params import model_sections

    if seeds not in ("first", "all"):
        raise ParamsError(f"--seeds {seeds}; expected first or all")
    done = export_run(features, embeddings, model_sections(), out, "all" if seeds == "all" else "first")
    words = (
        f"embeddings of {', '.join(done.models) or 'no model'}, vectors of {', '.join(done.networks) or 'no network'}"
    )
    print(f"{out}: {done.n_clips} clips, {words}")


def main(name: str = "python -m pipeline.dataset.feature_files") -> None:
    """Run the command alone, under the name that a user types."""
    app = new_app()
    app.command()(export)
    run(app, name)


if __name__ == "__main__":
    main()
