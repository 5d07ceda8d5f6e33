"""How the page reaches the videos: by a relative path through a link beside clips.csv, which each machine makes."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import DataError
from pipeline.formats.clips import Clip, read_root
from pipeline.settings.paths import AnyPath

FOLDER = "videos"


def link_videos(clips_csv: AnyPath) -> bool:
    """Make the link ``videos`` beside clips.csv that leads to the folder of the videos; return whether it is there.

    The bytes of the page are thus the same wherever the videos lie. Like ``videos_root.txt`` the link is a fact of this
    machine and no out of a stage. What is no link is left as it is.

    Args:
        clips_csv: beside which the folder of the videos is noted.
    """
    link = Path(clips_csv).with_name(FOLDER)
    try:
        root = read_root(clips_csv)
        if root.is_dir() and (link.is_symlink() or not link.exists()):
            temporary = link.with_name(f"{FOLDER}.{uuid.uuid4().hex}.tmp")
            temporary.symlink_to(root, target_is_directory=True)
            temporary.replace(link)
    except (DataError, OSError):  # no note, or a file system without links
        return False
    return link.is_symlink() and link.is_dir()


def video_addresses(clips_csv: AnyPath, page_folder: AnyPath, clips: Mapping[str, Clip]) -> dict[str, str]:
    """Return where the page finds the video of each clip that has a file, as relative addresses by clip_id.

    The address of a window is a media fragment, whose seconds alone a browser plays.

    Args:
        clips_csv: as the stage is given it.
        page_folder: of the page.
        clips: by clip_id.
    """
    folder = os.path.relpath(Path(clips_csv).with_name(FOLDER), page_folder).replace(os.sep, "/")
    return {
        clip_id: quote(f"{folder}/{clip.path}", safe="/") + clip.clip_id.removeprefix(clip.file_id)
        for clip_id, clip in clips.items()
        if clip.path
    }
