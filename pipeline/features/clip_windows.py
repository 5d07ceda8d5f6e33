"""Which of a file's vectors are those of a clip: all of them, or of a window of it those whose middle lies in it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from pipeline.errors import ClipError
from pipeline.features.vector_times import places_between
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.formats.shards import Arrays, open_shards, read_shards
from pipeline.network_parts.base import Modality
from pipeline.settings.paths import AnyPath

LONG_SECONDS = 60.0  # six times the clips of AVE and VGGSound; of more, a mean over time says little
IN_WORDS: dict[Modality, str] = {"audio": "sound", "visual": "pictures"}


def by_file(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    """Return the clips of each file, by the name that the file is decoded under."""
    files = defaultdict(list)
    for clip in clips:
        files[clip.file_id].append(clip)
    return dict(files)


def vectors_of_clip(clip: Clip, modality: Modality, arrays: Arrays) -> Arrays:
    """Return those of a file's vectors that are a clip's.

    Args:
        clip: the file, or a window of it.
        modality: of the vectors.
        arrays: of the file: ``embeddings`` (n, width) and ``seconds`` (n,).

    Returns:
        The same arrays, (m, width) and (m,); m is 0 where no vector lies in the window.
    """
    if clip.window is None:
        return arrays
    places = places_between(modality, arrays["seconds"], *clip.window)
    return {name: rows[places] for name, rows in arrays.items()}


def read_clip_vectors(folder: AnyPath, modality: Modality, clips: Iterable[Clip]) -> Iterator[tuple[Clip, Arrays]]:
    """Yield clips and their vectors over time, in the order of the shards; each file is read once.

    Args:
        folder: what the stage ``network`` wrote.
        modality: of the network.
        clips: those that are wanted.

    Yields:
        A clip and its arrays as `vectors_of_clip` returns them: ``embeddings`` (m, width) and ``seconds`` (m,).

    Raises:
        DataError: a shard is damaged.
    """
    files = by_file(clips)
    for file_id, arrays in read_shards(folder, files.__contains__):
        for clip in files[file_id]:
            yield clip, vectors_of_clip(clip, modality, arrays)


def empty_windows(clips: Iterable[Clip], folders: Mapping[Modality, AnyPath]) -> list[Reject]:
    """Return the refusals of windows in which their file has no vector of a modality, as where its sound ends early.

    Args:
        clips: of files that no stage refused.
        folders: what the stage ``network`` wrote, by modality.
    """
    files = by_file(clip for clip in clips if clip.window)
    return [
        _refusal(clip, f"no {IN_WORDS[modality]} from {clip.window_start_seconds:g} s to {clip.window_end_seconds:g} s")
        for modality, folder in (folders.items() if files else ())
        for file_id, stored in open_shards(folder, files.__contains__)
        for clip in files[file_id]
        if not len(vectors_of_clip(clip, modality, {"seconds": stored["seconds"][:]})["seconds"])
    ]


def long_files(clips: Iterable[Clip], folder: AnyPath) -> str:
    """Return a line that says which whole files are too long for one vector; empty where none is.

    Args:
        clips: those that are left.
        folder: what the stage ``network`` wrote of the pictures.
    """
    files = by_file(clip for clip in clips if clip.window is None)
    ends = {file_id: float(stored["seconds"][-1:].sum()) for file_id, stored in open_shards(folder, files.__contains__)}
    if not (too_long := sorted(file_id for file_id, end in ends.items() if end > LONG_SECONDS)):
        return ""
    return (
        f"LONG FILES: {len(too_long)} clips last longer than {LONG_SECONDS:g} s, such as {too_long[0]!r} with "
        f"{ends[too_long[0]]:.0f} s, and the features of each are one mean over all of it; expected windows "
        "(-S dataset.window_seconds=10, for which nothing is decoded again), or files that are cut to their events"
    )


def _refusal(clip: Clip, problem: str) -> Reject:
    """The row of rejected.csv of a window without vectors."""
    error = ClipError(clip.clip_id, "too_short", problem, "a window in which its file has both")
    return Reject(clip.clip_id, "features", error.kind, str(error))
