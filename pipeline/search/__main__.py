"""The commands ``avr index`` and ``avr search``: an index of clips, and what is nearest to a query."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.command_line import new_app, run

app = new_app("Make an index of clips, add clips, remove clips.")


MODALITY: dict[str | None, Literal["audio", "visual", "both"]] = {
    "sound": "audio",
    "pictures": "visual",
    "both": "both",
}  # of a query, by the words that a user types
EncoderFolder = Annotated[Path, typer.Option("--encoder", metavar="DIR", help="Folder that the stage `encoder` wrote.")]
IndexFolder = Annotated[str, typer.Option("--index", metavar="DIR", help="Folder of the index, or an s3:// URI.")]
Where = Annotated[
    str | None,
    typer.Option("--where", metavar="SQL", help="Only rows like these: \"label = 'Dog' AND split = 'test'\"."),
]


@app.command()
def build(
    *,
    encoder: EncoderFolder = Path("data/encoder"),
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="Folder of the index, or an s3:// URI.")
    ] = "data/index",
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder that the stages wrote to.")] = Path(
        "data"
    ),
    window: Annotated[
        float | None, typer.Option("--window", metavar="SECONDS", help="A row for each so many seconds of a clip.")
    ] = None,
) -> None:
    """Make the index of a finished run.

    Nothing is decoded: the stages have written the vectors. An index that is there is replaced at the end, in one step.
    """
    from pipeline.encoder import Encoder
    from pipeline.search.approximate import approximate
    from pipeline.search.writing import build_index

    built = build_index(Encoder.load(encoder), data, out, window)
    print(f"{out}: {built.n_rows} rows of {built.n_clips} clips")
    for line in approximate(out):
        print(line)
    if built.n_gone:
        print(f"{built.n_gone} clips of the index before are not in this run: `avr index add` adds them again")


@app.command()
def add(
    places: Annotated[list[Path], typer.Argument(metavar="PLACE", help="Folders to look through, and single files.")],
    *,
    encoder: EncoderFolder = Path("data/encoder"),
    index: IndexFolder = "data/index",
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="Label of all that is added.")] = "",
    class_folders: Annotated[
        bool, typer.Option("--class-folders", help="A file in a folder below PLACE has its name as label.")
    ] = False,
) -> None:
    """Add new clips to an index.

    Sounds, videos and pictures are embedded by the encoder there is; nothing is trained again. What is in the index
    already is passed over. A file that cannot be used costs itself alone: it is named on stderr, with exit code 1.
    """
    import sys

    from pipeline.encoder import Encoder
    from pipeline.search.adding import NewLabels, add_files
    from pipeline.search.approximate import approximate

    added = add_files(Encoder.load(encoder), index, places, NewLabels(label, class_folders))
    notices = approximate(index) if added.n_rows else []
    for reason in added.refused:
        print(f"refused: {reason}", file=sys.stderr)
    known = f", {added.n_known} files were there already" if added.n_known else ""
    if class_folders and added.n_unlabelled:
        print(f"{added.n_unlabelled} files have no label: they lie in no folder below PLACE", file=sys.stderr)
    print(
        f"{index}: {added.n_rows} rows of {added.n_files} files added{known}, {len(added.refused)} refusals",
        *notices,
        sep="\n",
    )
    if added.refused:
        raise typer.Exit(1)


@app.command()
def stats(*, index: IndexFolder = "data/index") -> None:
    """Show what an index holds, and what made it."""
    from pipeline.search.index import Index
    from pipeline.search.printing import as_facts

    print(as_facts(Index.open(index)))


@app.command()
def remove(
    clips: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Clips to remove, by their ids.")] = None,
    *,
    index: IndexFolder = "data/index",
    where: Where = None,
) -> None:
    """Remove clips, by their ids or by a filter; their files stay."""
    from pipeline.errors import ParamsError
    from pipeline.search.writing import remove_clips, remove_rows

    if bool(clips) == (where is not None):
        raise ParamsError("remove: expected either ids of clips or --where")
    n_rows = remove_clips(index, clips) if clips else remove_rows(index, str(where))
    print(f"{index}: {n_rows} rows removed")


def search(
    query: Annotated[
        str,
        typer.Argument(
            metavar="QUERY", help="A sound, video or picture file, or clip:ID; #t=12,15 behind it: those seconds of it."
        ),
    ],
    *,
    find: Annotated[
        Literal["video", "sound", "clip"] | None,
        typer.Option("--find", help="What is compared with it. [default: what the query is not]"),
    ] = None,
    query_modality: Annotated[
        Literal["sound", "pictures", "both"] | None,
        typer.Option("--query", help="Which side of QUERY counts. [default: all that it has]"),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, metavar="N", help="How many results to show.")] = 10,
    where: Where = None,
    encoder: EncoderFolder = Path("data/encoder"),
    index: IndexFolder = "data/index",
    moment: Annotated[
        bool, typer.Option("--moment", help="Say where in each result the seconds of QUERY are nearest.")
    ] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Compare every row of a large index too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table in CSV.")] = False,
    open_first: Annotated[bool, typer.Option("--open", help="Open the file of the first result.")] = False,
) -> None:
    """Find the clips that are nearest to a sound or a picture.

    A sound finds videos, a picture finds sounds, and what has both finds clips by both, unless --find says what. A
    path in the results starts from the folder of the run's videos; `avr index stats` names it.
    """
    import sys

    from pipeline.encoder.batch import EncoderInWorkers
    from pipeline.errors import ParamsError
    from pipeline.search import printing
    from pipeline.search.index import Index
    from pipeline.search.query import Searcher

    if as_json and as_csv:
        raise ParamsError("--json and --csv: expected one of them")
    opened = Index.open(index)
    searcher = Searcher(opened, EncoderInWorkers.load(encoder))
    answer = searcher.search(query, find, top, where, MODALITY.get(query_modality), is_exact=exact, is_moment=moment)
    show = printing.as_json if as_json else printing.as_csv if as_csv else printing.as_lines
    print(show(answer))
    for reason in answer.passed_over:
        print(f"passed over: {reason}", file=sys.stderr)
    if open_first and answer.results:
        typer.launch(str(opened.file(opened.clip(answer.results[0].clip_id))))


def main() -> None:
    """Run ``python -m pipeline.search``: the commands ``avr index``, and ``search``."""
    app.command()(search)
    run(app, "python -m pipeline.search")


if __name__ == "__main__":
    main()
