"""What some test clips sound and look like: one of each class."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip, read_clips, read_root
from pipeline.report.kept_pictures import kept_or_drawn, source_of
from pipeline.report.spans import shown_span
from pipeline.settings.paths import AnyPath

N_CLASSES_SHOWN = 12


class ShownClip(NamedTuple):
    """A clip of the test split.

    Attributes:
        clip_id: its name.
        label: its class.
        spectrogram: of the first seconds of its sound, as an address that holds a PNG.
        picture: as an address that holds a JPEG.
    """

    clip_id: str
    label: str
    spectrogram: str
    picture: str


def shown_clips(clips_csv: AnyPath) -> list[ShownClip]:
    """Return the first clip that can be read of each class of the test split, a few classes at most.

    There is none where the features came from a file, or where the videos are no longer in their place.

    Args:
        clips_csv: what the stage `dataset` wrote.
    """
    by_class: dict[str, list[Clip]] = {}
    for clip in sorted(read_clips(clips_csv), key=lambda clip: clip.clip_id):
        if clip.split == "test" and clip.path:
            by_class.setdefault(clip.label, []).append(clip)
    if not by_class:
        return []
    root = read_root(clips_csv)
    first = (next(_read(root, clips), None) for _, clips in islice(sorted(by_class.items()), N_CLASSES_SHOWN))
    return [shown for shown in first if shown]


def _read(root: Path, clips: list[Clip]) -> Iterator[ShownClip]:
    """The clips whose sound and picture can be decoded."""
    for clip in clips:
        sources = {what: source_of(root, clip, what) for what in ("spectrogram", "picture")}
        if len(found := kept_or_drawn(sources, partial(_drawn, root, clip))) == len(sources):
            yield ShownClip(clip.clip_id, clip.label, **found)


def _drawn(root: Path, clip: Clip, _: list[str]) -> dict[str, str]:
    """The spectrogram and the picture of a clip, if its file can be read."""
    from pipeline.report.clip_parts import SAMPLE_RATE, pictures_at, sounds_at
    from pipeline.report.sounds import spectrogram_png, thumbnail_jpeg

    path, span = root / clip.path, shown_span(clip)
    try:
        waveform, picture = sounds_at(path, [span])[span], pictures_at(path, [span])[span]
    except (ClipError, OSError, KeyError):  # the last where the file ends before
        return {}
    return {"spectrogram": spectrogram_png(waveform, SAMPLE_RATE), "picture": thumbnail_jpeg(picture)}
