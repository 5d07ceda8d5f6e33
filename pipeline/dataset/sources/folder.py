"""Source ``folder``: a folder a class, DIR/CLASS/*.mp4, whose name is the label; or videos at any depth without one.

DIR may be a URL.
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.dataset.base import LABELS_OF_SOURCE, DatasetParams, Found
from pipeline.dataset.layouts.class_folders import (
    SUFFIXES,
    FolderListing,
    list_named,
    list_videos,
    of_classes,
    tell_what_is_passed_over,
)
from pipeline.dataset.layouts.hub_splits import split_named
from pipeline.dataset.layouts.locations import check_classes, given_folder, refuse_protocol
from pipeline.dataset.layouts.remote import check_url, listed, url_of
from pipeline.dataset.layouts.url_rows import clips_behind
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.settings.environment import cache_folder
from pipeline.settings.limits import load_limits
from pipeline.settings.notices import tell_once
from pipeline.settings.paths import AnyPath

LAYOUT = (
    f"DIR/CLASS/*{' *'.join(SUFFIXES)}, or deeper, with two classes or more; or -S dataset.labels=none for videos "
    "without classes"
)


def find_clips(params: DatasetParams) -> Found:
    """Return the folder and its clips, sorted; hidden files are passed over, and files of other kinds are counted.

    Args:
        params: ``path`` is DIR, or its URL, whose files are copied into the cache and are called by their URLs; a
            relative one starts from the folder that the command runs in. Clips lie at any depth: below the folder of
            their class, or where ``labels`` is not ``folders``, anywhere and without a label.

    Raises:
        ParamsError: no path is given, or a protocol, or the package that reads a URL is not installed.
        DataError: DIR is no folder or cannot be listed, or holds no video, or where folders are classes fewer than two
            of them, or their names are those of splits; or its files have more than ``download_gigabytes``.
    """
    refuse_protocol(params)
    url, has_classes = url_of(params.path), params.labels == LABELS_OF_SOURCE
    root = cache_folder() / "remote" if url else given_folder(params, LAYOUT)
    place = url or root
    found = _listed(url, root) if url else list_videos(root)
    found = of_classes(found) if has_classes else found
    tell_what_is_passed_over(place, found)
    _check_not_splits(place, found.videos, has_classes=has_classes)
    labels = {name: name.partition("/")[0] * has_classes for name in found.videos}
    clips, refused = [Clip(clip_id=name, path=name, label=label) for name, label in labels.items()], found.refused
    if url:
        clips, refused = clips_behind(url, labels, root, params.download_gigabytes * 1e9)
    if has_classes:
        check_classes(place, (clip.label for clip in clips), LAYOUT, refused)
    elif not clips and not refused:
        raise DataError(f"dataset.path={place}: no video; expected files *{' *'.join(SUFFIXES)}, at any depth")
    return Found(root, clips, refused)


def _listed(url: str, copies: Path) -> FolderListing:
    """What a folder behind a URL holds."""
    check_url(url, "dataset.path")
    return list_named(listed(url, copies, load_limits().table_rows))


def _check_not_splits(root: AnyPath, names: Iterable[str], *, has_classes: bool) -> None:
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
