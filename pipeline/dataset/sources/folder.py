"""Source ``folder``: a folder a class, DIR/CLASS/*.mp4; the folder's name is the label."""

from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.layouts.class_folders import SUFFIXES, list_videos
from pipeline.dataset.layouts.locations import check_classes, given_folder, refuse_protocol
from pipeline.formats.clips import Clip

LAYOUT = f"DIR/CLASS/*{' *'.join(SUFFIXES)} with two classes or more"


def find_clips(params: DatasetParams) -> Found:
    """Return the folder and its clips, sorted; hidden files and files of other kinds are passed over.

    Args:
        params: ``path`` is DIR; a relative one starts from the folder that the command runs in.

    Raises:
        ParamsError: no path is given, or a protocol.
        DataError: DIR is no folder, or holds videos of fewer than two classes.
    """
    refuse_protocol(params)
    root = given_folder(params, LAYOUT)
    names, refused = list_videos(root)
    clips = [Clip(clip_id=name, path=name, label=name.partition("/")[0]) for name in names]
    check_classes(root, (clip.label for clip in clips), LAYOUT, refused)
    return Found(root, clips, refused)
