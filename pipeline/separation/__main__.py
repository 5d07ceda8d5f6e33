"""The command ``avr separate``; ``python -m pipeline.separation`` is another name of it."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_line import new_app, run

TASKS = Path("separation")


def separate(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video with a mixed sound.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    tracks: Annotated[
        Path | None,
        typer.Option("--tracks", metavar="CSV", help="Where the faces are. [default: the whole picture is one]"),
    ] = None,
    task: Annotated[
        str, typer.Option("--task", metavar="NAME", help="Folder below separation/ whose separators were trained.")
    ] = "speech",
    name: Annotated[
        str | None,
        typer.Option("--separator", metavar="NAME", help="Which of them. [default: the first that looks at the video]"),
    ] = None,
) -> None:
    """Take the sound of a video apart: a sound for each face.

    DIR/TRACK.wav is the sound of a track, DIR/TRACK.mp4 its face with that sound, DIR/mixture.wav what was taken apart.
    DIR/heat.mp4 and DIR/heat.safetensors say where it sounds, if the separator knows. A DIR that this command wrote is
    replaced once all is done. Videos of any length take little memory.
    """
    import sys

    from pipeline.errors import printable
    from pipeline.separation.videos.taking_apart import (
        check_out,
        check_tracks_are_of_use,
        take_apart,
        tracks_to_see,
        write_taken_apart,
    )
    from pipeline.separation.videos.trained import load_trained

    check_out(out)
    trained = load_trained(TASKS / task, name)
    check_tracks_are_of_use(trained.name, trained.separator, tracks)
    opened, bounds = trained.opened(video), trained.bounds
    found = take_apart(trained.separator, opened, tracks_to_see(opened, tracks, bounds), trained.views, bounds)
    write_taken_apart(out, opened, found, {"task": task, "separator": trained.name}, bounds)
    for line in found.warnings:
        print(f"separate: {printable(line)}", file=sys.stderr)
    print(f"{out}: {', '.join(found.tracks)}: {opened.seconds:.1f} s taken apart by {trained.name}")


def duets(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write.")],
    *,
    n: Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many films.")] = 3,
    task: Annotated[
        str, typer.Option("--task", metavar="NAME", help="Folder below separation/ whose test clips are taken.")
    ] = "speech",
) -> None:
    """Make films of two test clips side by side.

    They are to try `avr separate` on: DIR/tracks.csv says where both are in every film, and DIR/sources/ holds the true
    sounds, which no separator is given. What is mixed is what the task was measured on: nobody in it was there in
    training.
    """
    from pipeline.separation.videos.duets import FACTS, TRACKS, duets_of_task
    from pipeline.separation.videos.taking_apart import check_out

    check_out(out, FACTS)
    made = duets_of_task(out, TASKS / task / "data", n)
    print(f"{out}: {', '.join(duet.path for duet in made)}")
    print(f"try: avr separate {out / made[0].path} --tracks {out / TRACKS} --task {task} --out apart")


app = new_app("Take the sound of a video apart, and make films to try it on.")
app.command()(separate)
app.command()(duets)

if __name__ == "__main__":
    run(app, "python -m pipeline.separation")
