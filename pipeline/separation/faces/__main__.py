"""The command ``avr faces``; ``python -m pipeline.separation.faces`` is another name of it."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_line import new_app, run


def faces(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video with faces, seen from the front.")],
    out: Annotated[Path, typer.Argument(metavar="CSV", help="The tracks.csv to write.")],
) -> None:
    """Write where the faces of a video are.

    CSV is what `avr separate --tracks` reads. Faces are found by OpenCV's cascade (the extra `faces`), upright and from
    the front only: those turned aside, small or half hidden are missed, and what looks like a face may be taken for
    one. Look at the rows before you use them.
    """
    from pipeline.errors import DataError
    from pipeline.separation.faces.cascade import faces_of_video, write_faces

    found = faces_of_video(video)
    if not found:
        raise DataError(f"{video}: no face for a second or longer; expected one, upright and seen from the front")
    write_faces(out, video.name, found)
    for number, face in enumerate(found, start=1):
        left, top, width, height = face.boxes.mean(axis=0)
        where = f"at {left:.0f}, {top:.0f}, {width:.0f} x {height:.0f} pixels"
        print(f"face_{number}: {face.seconds[0]:.1f} to {face.seconds[-1]:.1f} s, {len(face.seconds)} rows, {where}")


app = new_app()
app.command()(faces)


def main() -> None:
    """Run the command that the command line names."""
    run(app, "python -m pipeline.separation.faces")


if __name__ == "__main__":
    main()
