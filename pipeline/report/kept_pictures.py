"""Pictures of clips on the page, kept where finished clips are: another run draws those that it has not seen."""

from collections.abc import Callable, Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from pipeline.clip_jobs.cache import ClipCache
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from pipeline.report.spans import shown_span
from pipeline.settings.environment import finished_clips
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.paths import AnyPath

ADDRESS = "address"
Shown = TypeVar("Shown", bound=Hashable)


class PictureSource(NamedTuple):
    """What a picture is made of.

    Attributes:
        path: of the file.
        sha256: that it had when the run began; empty: it could not be read.
        key: names the picture among all of all files.
    """

    path: Path
    sha256: str
    key: str


def source_of(root: AnyPath, clip: Clip, what: str) -> PictureSource:
    """Return what a picture of a clip is made of.

    Args:
        root: the folder of the videos.
        clip: of a file.
        what: is shown of it.
    """
    start, end = shown_span(clip)
    return PictureSource(Path(root) / clip.path, clip.sha256, f"{clip.sha256}:{start!r}:{end!r}:{what}")


def kept_or_drawn(
    sources: Mapping[Shown, PictureSource], draw: Callable[[list[Shown]], Mapping[Shown, str]]
) -> dict[Shown, str]:
    """Return pictures as addresses that hold them (``data:``): those that are kept, and the others, which are kept now.

    A picture is kept only of a file that still has the hash of the run when it is drawn, and none is taken from there
    whose file is no longer in its place.

    Args:
        sources: what each picture is made of, by whatever names it here.
        draw: returns pictures; those that it leaves out are not kept.

    Raises:
        DiskError: the cache cannot be written.
        ParamsError: AVR_CACHE_DIR is wrong.
    """
    if not sources:
        return {}
    kept = ClipCache(finished_clips("report"), _drawn_by())
    known = {each: source.key for each, source in sources.items() if source.sha256 and source.path.is_file()}
    states = kept.look_up_all({key: key for key in known.values()})
    done = [each for each, key in known.items() if states[key].state == "done"]
    read = zip(done, kept.read_all((known[each], known[each]) for each in done), strict=True)
    found = {each: arrays[ADDRESS].tobytes().decode() for each, arrays in read if not isinstance(arrays, DataError)}
    if missing := [each for each in sources if each not in found]:
        drawn = draw(missing)
        unchanged = {each for each in drawn if each in known and _is_unchanged(sources[each])}
        for each in unchanged:
            kept.write(known[each], {ADDRESS: np.frombuffer(drawn[each].encode(), np.uint8)})
        found |= drawn
    return {each: found[each] for each in sources if each in found}


@cache
def _drawn_by() -> str:
    """Hash of the code and the packages that draw."""
    return fingerprint({}, ["pipeline.report.thumbnails", "pipeline.report.shown_clips"])


def _is_unchanged(source: PictureSource) -> bool:
    """Whether a file is the one that the run began with."""
    try:
        return file_sha256(source.path) == source.sha256
    except (DataError, OSError):
        return False
