"""The command ``avr export``: what a run made, for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_line import new_app, run


def export(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; is made if missing.")],
    *,
    features: Annotated[
        Path, typer.Option(metavar="FILE", help="Feature table that the stage `features` wrote.")
    ] = Path("data/features.safetensors"),
    embeddings: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder that the stage `embed` wrote to.")] = Path(
        "data/embeddings"
    ),
) -> None:
    """Write features and embeddings of a run as HDF5, npz and Parquet.

    DIR gets features.h5, features.npz and features.parquet, and NAME.parquet for each model of params.yaml that has
    embeddings.
    """
    from pipeline.dataset.feature_files.export import export_run
    from pipeline.settings.params import model_sections

    n_clips, models = export_run(features, embeddings, model_sections(), out)
    print(f"{out}: {n_clips} clips, embeddings of {', '.join(models) or 'no model'}")


def main(name: str = "python -m pipeline.dataset.feature_files") -> None:
    """Run the command alone, under the name that a user types."""
    app = new_app()
    app.command()(export)
    run(app, name)


if __name__ == "__main__":
    main()
