"""What the page is made from: metrics.json, the tables of plots/, the clips, the histories and params.yaml."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import DataError, in_words
from pipeline.formats import rejects
from pipeline.formats.clips import read_clips
from pipeline.formats.csv_rows import read_rows
from pipeline.formats.rejects import Reject
from pipeline.report.gallery import Gallery, halves, read_gallery
from pipeline.report.histories import TrainingCurves, read_history
from pipeline.report.moments import read_localisation
from pipeline.report.params_changes import Change, params_changes, read_value
from pipeline.report.scatter import Scatter, scatter
from pipeline.report.shown_clips import ShownClip, shown_clips
from pipeline.report.spans import Half
from pipeline.report.thumbnails import thumbnails
from pipeline.report.video_links import video_addresses
from pipeline.settings.json_text import parse_json
from pipeline.settings.params import PARAMS_FILE

Tables = Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]

TABLES = ("precision_scope", "precision_recall", "class_map", "confusion")


class Inputs(NamedTuple):
    """A finished run.

    Attributes:
        metrics: what metrics.json holds; its first model is the one that the others are compared with.
        tables: for each of ``TABLES`` the rows of its CSV file by model.
        leads: by other model, how far the first one is ahead: ``difference``, ``p`` and ``p_holm``.
        machine: the kind of machine, by key.
        refused: the rows of rejected.csv.
        shown: test clips to look at and listen to.
        gallery: queries of the first model and what they found.
        thumbnails: small pictures of the clips of the gallery, as addresses, by clip_id and half.
        videos: where the page finds the video of a clip, by clip_id.
        seen: the first model's common space as a picture.
        histories: the curves of the training of each model.
        localisation: what localisation.json holds.
        changes: the parameters that differ from the project's.
        path: of the data set, as params.yaml has it; None: it has none.
    """

    metrics: Mapping[str, Any]
    tables: Tables
    leads: Mapping[str, Mapping[str, float]]
    machine: Mapping[str, str]
    refused: Sequence[Reject]
    shown: Sequence[ShownClip]
    gallery: Gallery
    thumbnails: Mapping[tuple[str, Half], str]
    videos: Mapping[str, str]
    seen: Scatter
    histories: Mapping[str, TrainingCurves]
    localisation: Mapping[str, Any]
    changes: Sequence[Change]
    path: str | None


class Places(NamedTuple):
    """Where a finished run lies, and where its page will.

    Attributes:
        metrics: metrics.json.
        plots: the folder of tables.
        rejected: rejected.csv.
        clips_csv: clips.csv, beside which the folder of the videos is noted.
        models: the folder of the trained models.
        localisation: localisation.json.
        out: the folder of the page.
        params: params.yaml of the run.
    """

    metrics: Path
    plots: Path
    rejected: Path
    clips_csv: Path
    models: Path
    localisation: Path
    out: Path
    params: Path = PARAMS_FILE


def read_inputs(places: Places) -> Inputs:
    """Return what the stages wrote about a run.

    Raises:
        DataError: metrics.json is damaged or has no model, localisation.json is damaged, or a table is missing or
            damaged.
        ParamsError: params.yaml is missing or holds no sections.
    """
    plots, clips_csv = places.plots, places.clips_csv
    measured = _read_metrics(places.metrics)
    names = list(measured["models"])
    rows = read_rows(plots / "plane" / f"{names[0]}.csv")
    queries = read_rows(plots / "queries" / f"{names[0]}.csv")
    labels = {row["clip_id"]: row["class"] for row in rows}
    gallery = read_gallery(plots / "queries" / f"{names[0]}.parquet", queries, labels)
    clips = {clip.clip_id: clip for clip in read_clips(clips_csv)}
    return Inputs(
        measured,
        {table: {name: read_rows(plots / table / f"{name}.csv") for name in names} for table in TABLES},
        _leads(read_rows(plots / "significance.csv"), names[0]),
        {row["key"]: row["value"] for row in read_rows(plots / "machine.csv")},
        rejects.read(places.rejected),
        shown_clips(clips_csv),
        gallery,
        thumbnails(clips_csv, clips, _halves(gallery)),
        video_addresses(clips_csv, places.out, clips),
        scatter(rows, _fractions(read_rows(plots / "plane.csv"), names[0])),
        {name: read_history(places.models / name) for name in names},
        read_localisation(places.localisation),
        params_changes(places.params),
        read_value(places.params, "dataset.path"),
    )


def _halves(gallery: Gallery) -> Iterator[tuple[str, Half]]:
    """Which halves of which clips the gallery shows."""
    for card in gallery.cards():
        query, found = halves(card.direction)
        yield card.clip_id, query
        yield from ((result.clip_id, found) for result in card.results)


def _fractions(rows: Sequence[Mapping[str, str]], model: str) -> tuple[float, float]:
    """How much of the variance both axes of a model's plane have."""
    row = next(row for row in rows if row["model"] == model)
    return float(row["first"]), float(row["second"])


def _read_metrics(path: Path) -> dict[str, Any]:
    """The content of a metrics.json that has a model."""
    try:
        measured = parse_json(path.read_text(encoding="utf-8"))
        if measured["models"].keys():
            return dict(measured)
        raise ValueError("no model")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        expected = "a metrics.json that the stage `evaluate` wrote"
        raise DataError(f"{path}: {in_words(error)}; expected {expected}") from error


def _leads(pairs: Sequence[Mapping[str, str]], first: str) -> dict[str, dict[str, float]]:
    """The pairs of the first model, by the other one of each."""
    numbers = ("difference", "p", "p_holm")
    return {row["other"]: {key: float(row[key]) for key in numbers} for row in pairs if row["model"] == first}
