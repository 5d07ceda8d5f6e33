"""The rows of a finished run: nothing is decoded, since the stages have written the vectors."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.features.vector_times import places_between
from pipeline.formats.clips import Clip, read_clips, read_root, whole_files
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.formats.shards import StoredRows, open_shards
from pipeline.network_parts.base import Modality
from pipeline.search.rows import MODALITIES, IndexFacts, IndexRow
from pipeline.search.windows import Stretch, stretches_of
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.encoder import Encoder

CLIPS_AT_A_TIME = 256
N_COMPARED = 8  # clips whose rows are computed again, to see that run and encoder belong together
MOST_OFF = 1e-3  # between vectors of length 1; another kind of processor rounds otherwise

Shards = dict[str, dict[str, StoredRows]]


class RunOfClips(NamedTuple):
    """What the stages of a run have written of its clips.

    Attributes:
        clips: in their order.
        root: the folder of the videos.
        vectors: by modality, of each clip the network's ``embeddings`` (n, width) and ``seconds`` (n,).
        embedded: the model's embeddings; None where the run has none.
    """

    clips: list[Clip]
    root: Path
    vectors: dict[Modality, Shards]
    embedded: EmbeddedClips | None


def read_run(encoder: "Encoder", data: AnyPath) -> RunOfClips:
    """Return what a run has written that an encoder was trained in.

    Args:
        encoder: of the run.
        data: the folder that the stages write to.

    Raises:
        DataError: a part is missing or damaged, or the encoder is of another run.
    """
    data = Path(data)
    clips_csv, npz = data / "clips.csv", data / "embeddings" / f"{encoder.model}.npz"
    networks = encoder.config.networks
    vectors: dict[Modality, Shards] = {name: dict(open_shards(data / part.name)) for name, part in networks.items()}
    embedded = EmbeddedClips.load(npz) if npz.exists() else None
    run = RunOfClips(read_clips(clips_csv), read_root(clips_csv), vectors, embedded)
    _check_same_run(encoder, run, npz)
    return run


def facts_of_run(encoder: "Encoder", run: RunOfClips, window_seconds: float | None = None) -> IndexFacts:
    """Return what holds for all rows of an index of a run; where its clips are windows, a row is as long as these."""
    lengths = [window[1] - window[0] for clip in run.clips if (window := clip.window)]
    return IndexFacts(
        encoder=encoder.fingerprint,
        model=encoder.model,
        width=encoder.width,
        root=str(run.root),
        window_seconds=window_seconds or (round(max(lengths), 2) if lengths else None),
    )


def rows_of_run(encoder: "Encoder", run: RunOfClips, window_seconds: float | None = None) -> Iterator[list[IndexRow]]:
    """Yield the rows of all clips that have a vector, some clips at a time.

    A clip that the stage `train` has embedded gets that vector, of the encoder's seed; other stretches of time, and
    clips of which one modality was refused, are embedded now.

    Args:
        encoder: of the run.
        run: what its stages have written.
        window_seconds: length of a row's stretch of time, counted from the start of each file; None: a row is a clip.
    """
    known = _embedded_vectors(encoder, run) if window_seconds is None else {}
    of_rows = run.clips if window_seconds is None else whole_files(run.clips)
    for start in range(0, len(of_rows), CLIPS_AT_A_TIME):
        clips = of_rows[start : start + CLIPS_AT_A_TIME]
        stretches = [stretch for clip in clips for stretch in _stretches(clip, run, window_seconds)]
        yield [row for row in _rows(encoder, run, stretches, known) if not row.is_empty]


class _ClipPart(NamedTuple):
    """A clip, a stretch of its time, and its vectors then."""

    clip: Clip
    stretch: Stretch


def _stretches(clip: Clip, run: RunOfClips, window_seconds: float | None) -> Iterator[_ClipPart]:
    """The stretches of one clip."""
    times: dict[Modality, NDArray[np.float64]] = {
        modality: shards[clip.file_id]["seconds"][:]
        for modality, shards in run.vectors.items()
        if clip.file_id in shards
    }
    if clip.window is None:
        yield from (_ClipPart(clip, stretch) for stretch in stretches_of(times, window_seconds))
        return
    places = {modality: places_between(modality, seconds, *clip.window) for modality, seconds in times.items()}
    yield _ClipPart(clip, Stretch(*clip.window, places))


def _rows(
    encoder: "Encoder",
    run: RunOfClips,
    parts: list[_ClipPart],
    known: Mapping[tuple[str, Modality], NDArray[np.float32]],
) -> Iterator[IndexRow]:
    """The rows of stretches of time."""
    sides = {modality: _side(encoder, run, parts, known, modality) for modality in MODALITIES}
    for number, (clip, stretch) in enumerate(parts):
        yield IndexRow(
            clip_id=clip.file_id,
            path=clip.path,
            root=str(run.root) if clip.path else "",
            sha256=clip.sha256,
            start=stretch.start,
            end=stretch.end,
            label=clip.label,
            split=clip.split,
            audio=sides["audio"].get(number),
            visual=sides["visual"].get(number),
        )


def _side(
    encoder: "Encoder",
    run: RunOfClips,
    parts: list[_ClipPart],
    known: Mapping[tuple[str, Modality], NDArray[np.float32]],
    modality: Modality,
) -> dict[int, NDArray[np.float32]]:
    """The joint vectors (k,) of one modality, by the number of the part; none where a part lacks it."""
    found, todo = dict[int, NDArray[np.float32]](), dict[int, NDArray[np.float32]]()
    for number, part in enumerate(parts):
        if (vector := known.get((part.clip.clip_id, modality))) is not None:
            found[number] = vector
        elif len(rows := _network_vectors(run, part, modality)):
            todo[number] = rows
    if todo:
        found |= dict(zip(todo, encoder.joints(modality, list(todo.values())), strict=True))
    return found


def _network_vectors(run: RunOfClips, part: _ClipPart, modality: Modality) -> NDArray[np.float32]:
    """The network's vectors (m, width) of a stretch of time; of a long file only these are read."""
    shards, places = run.vectors.get(modality, {}), part.stretch.places.get(modality, np.empty(0, np.int64))
    if part.clip.file_id not in shards or not len(places):
        return np.empty((0, 0), np.float32)
    vectors = shards[part.clip.file_id]["embeddings"][places[0] : places[-1] + 1]
    return np.asarray(vectors[places - places[0]], np.float32)


def _embedded_vectors(encoder: "Encoder", run: RunOfClips) -> dict[tuple[str, Modality], NDArray[np.float32]]:
    """What the stage `train` made of whole clips with the encoder's seed, by clip and modality."""
    if run.embedded is None:
        return {}
    place = sorted(encoder.config.model.seeds).index(encoder.seed)  # the stage's seeds rise
    arrays: dict[Modality, NDArray[np.float32]] = {
        "audio": run.embedded.audio[place],
        "visual": run.embedded.visual[place],
    }
    return {
        (clip_id, modality): vector
        for modality, array in arrays.items()
        for clip_id, vector in zip(run.embedded.clip_ids, array, strict=True)
    }


def _check_same_run(encoder: "Encoder", run: RunOfClips, npz: Path) -> None:
    """Refuse an encoder that makes other vectors of the first clips than the run has."""
    clips = {clip.clip_id: clip for clip in run.clips}
    for (clip_id, modality), vector in list(_embedded_vectors(encoder, run).items())[:N_COMPARED]:
        parts = _stretches(clips[clip_id], run, None) if clip_id in clips else iter(())
        vectors = next((_network_vectors(run, part, modality) for part in parts), None)
        if vectors is None or not len(vectors):
            continue
        own = encoder.joint(modality, vectors)
        off = float(np.abs(own - vector / np.linalg.norm(vector)).max()) if own.shape == vector.shape else np.inf
        if not off <= MOST_OFF:
            raise DataError(
                f"{npz}: clip {clip_id!r} is {off:.1g} off what {encoder.folder} makes of it; expected the encoder of "
                "this run: `dvc repro` writes both"
            )
