"""Small pictures of the clips of the gallery: one picture of a video, the spectrogram of a sound."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip, read_root
from pipeline.report.kept_pictures import kept_or_drawn, source_of
from pipeline.report.spans import Half, TimeSpan, shown_span
from pipeline.settings.paths import AnyPath

SMALL_PIXELS = 112  # the longer side


def thumbnails(clips_csv: AnyPath, clips: Mapping[str, Clip], wanted: Iterable[tuple[str, Half]]) -> dict[
    tuple[str, Half], str
]:  # fmt: skip
    """Return small pictures as addresses that hold them (``data:``), by clip_id and half; a file is read once a half.

    One that cannot be decoded any more, or whose file is not in its place, is left out. Those of an earlier run are
    taken from where finished clips are kept.

    Args:
        clips_csv: beside which the folder of the videos is noted.
        clips: by clip_id; those without a file, and missing ones, are left out.
        wanted: which halves of which clips.
    """
    shown = [(clip_id, half) for clip_id, half in sorted(set(wanted)) if clip_id in clips and clips[clip_id].path]
    if not shown:
        return {}
    root = read_root(clips_csv)
    sources = {(clip_id, half): source_of(root, clips[clip_id], f"small {half}") for clip_id, half in shown}
    return kept_or_drawn(sources, lambda missing: _drawn(root, clips, missing))


def _drawn(root: Path, clips: Mapping[str, Clip], wanted: Iterable[tuple[str, Half]]) -> dict[tuple[str, Half], str]:
    """Small pictures that are not kept yet."""
    files = defaultdict(list)
    for clip_id, half in wanted:
        files[clips[clip_id].path, half].append(clips[clip_id])
    return {
        (clip.clip_id, half): found[shown_span(clip)]
        for (path, half), of_file in sorted(files.items())
        for found in [_thumbnails(root / path, half, list(map(shown_span, of_file)))]
        for clip in of_file
        if shown_span(clip) in found
    }


def _thumbnails(path: Path, half: Half, spans: Sequence[TimeSpan]) -> dict[TimeSpan, str]:
    """The small pictures of a file, if it can be read."""
    from pipeline.report.clip_parts import SAMPLE_RATE, pictures_at, sounds_at
    from pipeline.report.sounds import small_spectrogram_jpeg, thumbnail_jpeg

    try:
        if half == "audio":
            return {at: small_spectrogram_jpeg(sound, SAMPLE_RATE) for at, sound in sounds_at(path, spans).items()}
        return {at: thumbnail_jpeg(shown, SMALL_PIXELS, quality=72) for at, shown in pictures_at(path, spans).items()}
    except (ClipError, OSError):
        return {}
