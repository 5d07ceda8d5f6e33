"""Source ``folder``: a folder a class, DIR/CLASS/*.mp4, whose name is the label; or videos at any depth without one."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.dataset.base import LABELS_OF_SOURCE, DatasetParams, Found
from pipeline.dataset.layouts.class_folders import SUFFIXES, list_classes, list_videos, tell_what_is_passed_over
from pipeline.dataset.layouts.hub_splits import split_named
from pipeline.dataset.layouts.locations import check_classes, given_folder, refuse_protocol
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.settings.notices import tell_once

LAYOUT = (
    f"DIR/CLASS/*{' *'.join(SUFFIXES)}, or deeper, with two classes or more; or -S dataset.labels=none for videos "
    "without classes"
)


def find_clips(params: DatasetParams) -> Found:
    """Return the folder and its clips, sorted; hidden files are passed over, and files of other kinds are counted.

    Args:
        params: ``path`` is DIR; a relative one starts from the folder that the command runs in. Clips lie at any
            depth: below the folder of their class, or where ``labels`` is not ``folders``, anywhere and without a
            label.

    Raises:
        ParamsError: no path is given, or a protocol.
        DataError: DIR is no folder, or holds no video, or where folders are classes fewer than two of them, or their
            names are those of splits.
    """
    refuse_protocol(params)
    root = given_folder(params, LAYOUT)
    has_classes = params.labels == LABELS_OF_SOURCE
    found = list_classes(root) if has_classes else list_videos(root)
    tell_what_is_passed_over(root, found)
    clips = [Clip(clip_id=name, path=name, label=name.partition("/")[0] * has_classes) for name in found.videos]
    _check_not_splits(root, found.videos, has_classes=has_classes)
    if has_classes:
        check_classes(root, (clip.label for clip in clips), LAYOUT, found.refused)
    elif not clips and not found.refused:
        raise DataError(f"dataset.path={root}: no video; expected files *{' *'.join(SUFFIXES)}, at any depth")
    return Found(root, clips, found.refused)


def _check_not_splits(root: Path, names: Iterable[str], *, has_classes: bool) -> None:
    """Refuse classes that are called train and test: all below them would have that label; without classes say so."""
    folders = sorted({name.partition("/")[0] for name in names if "/" in name})
    splits = {folder: split for folder in folders if (split := split_named(folder))}
    if not {"train"} < set(splits.values()):
        return
    problem = f"dataset.path={root}: its folders {list(splits)} have the names of splits"
    if has_classes:
        raise DataError(
            f"{problem}; expected a folder a class, or -S dataset.source=video_folder, for DIR/SPLIT/CLASS/*.mp4"
        )
    tell_once(f"dataset: {problem}, which are not used; -S dataset.source=video_folder uses them")
