"""Pictures of clips on the page, kept where finished clips are: another run draws those that it has not seen."""

from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import TypeVar

import numpy as np

from pipeline.clip_jobs.cache import ClipCache
from pipeline.errors import DataError
from pipeline.settings.environment import finished_clips
from pipeline.settings.fingerprint import fingerprint

ADDRESS = "address"
Shown = TypeVar("Shown", bound=Hashable)


def kept_or_drawn(
    contents: Mapping[Shown, str], draw: Callable[[list[Shown]], Mapping[Shown, str]]
) -> dict[Shown, str]:
    """Return pictures as addresses that hold them (``data:``): those that are kept, and the others, which are kept now.

    Args:
        contents: what a picture is of, by whatever names it here: the hash of a file and what of it is shown. One whose
            content is empty is not kept.
        draw: returns pictures; those that it leaves out are not kept.

    Raises:
        DiskError: the cache cannot be written.
        ParamsError: AVR_CACHE_DIR is wrong.
    """
    if not contents:
        return {}
    kept = ClipCache(finished_clips("report"), _drawn_by())
    found = {each: address for each, content in contents.items() if (address := _kept(kept, content))}
    if missing := [each for each in contents if each not in found]:
        drawn = draw(missing)
        for each, address in drawn.items():
            if contents[each]:
                kept.write(contents[each], {ADDRESS: np.frombuffer(address.encode(), np.uint8)})
        found |= drawn
    return {each: found[each] for each in contents if each in found}


@cache
def _drawn_by() -> str:
    """Hash of the code and the packages that draw."""
    return fingerprint({}, ["pipeline.report.thumbnails", "pipeline.report.shown_clips"])


def _kept(kept: ClipCache, content: str) -> str:
    """A picture that is kept; empty where there is none, or a damaged one."""
    if not content or kept.look_up(content, content).state != "done":
        return ""
    try:
        return kept.read(content, content)[ADDRESS].tobytes().decode()
    except DataError:
        return ""
