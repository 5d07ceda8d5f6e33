"""Source ``folder``: a folder a class, DIR/CLASS/*.mp4, whose name is the label; or videos at any depth without one."""

from pipeline.dataset.base import LABELS_OF_SOURCE, DatasetParams, Found
from pipeline.dataset.layouts.class_folders import SUFFIXES, list_all_videos, list_videos
from pipeline.dataset.layouts.locations import check_classes, given_folder, refuse_protocol
from pipeline.errors import DataError
from pipeline.formats.clips import Clip

LAYOUT = (
    f"DIR/CLASS/*{' *'.join(SUFFIXES)} with two classes or more, or -S dataset.labels=none for videos without classes"
)


def find_clips(params: DatasetParams) -> Found:
    """Return the folder and its clips, sorted; hidden files and files of other kinds are passed over.

    Args:
        params: ``path`` is DIR; a relative one starts from the folder that the command runs in. Where ``labels`` is not
            ``folders``, clips lie at any depth and have no label here.

    Raises:
        ParamsError: no path is given, or a protocol.
        DataError: DIR is no folder, or holds no video, or where folders are classes fewer than two of them.
    """
    refuse_protocol(params)
    root = given_folder(params, LAYOUT)
    if params.labels != LABELS_OF_SOURCE:
        names, refused = list_all_videos(root)
        if not names and not refused:
            raise DataError(f"dataset.path={root}: no video; expected files *{' *'.join(SUFFIXES)}, at any depth")
        return Found(root, [Clip(clip_id=name, path=name, label="") for name in names], refused)
    names, refused = list_videos(root)
    clips = [Clip(clip_id=name, path=name, label=name.partition("/")[0]) for name in names]
    check_classes(root, (clip.label for clip in clips), LAYOUT, refused)
    return Found(root, clips, refused)
