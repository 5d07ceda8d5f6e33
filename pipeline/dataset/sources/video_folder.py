"""Source ``video_folder``: DIR/SPLIT/CLASS/*.mp4, or metadata files beside the videos: VideoFolder of the Hub.

References:
    The documentation of Datasets (Hugging Face), "Create a video dataset".
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline.dataset.base import LABELS_OF_SOURCE, DatasetParams, Found
from pipeline.dataset.layouts.class_folders import list_videos, tell_what_is_passed_over
from pipeline.dataset.layouts.hub_splits import split_named, with_published_split
from pipeline.dataset.layouts.locations import check_classes, given_folder, refuse_protocol
from pipeline.dataset.layouts.metadata_files import NAMES, metadata_files, metadata_rows
from pipeline.dataset.layouts.table_clips import clips_of_rows
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.settings.notices import tell_once

LAYOUT = (
    f"DIR/SPLIT/CLASS/*.mp4 with SPLIT train, validation or test, or {', '.join(NAMES)} with columns file_name and "
    "label in DIR or in every SPLIT; two classes or more, or -S dataset.labels=none"
)


def find_clips(params: DatasetParams) -> Found:
    """Return DIR and its clips: those of the metadata, or without it all videos below the folders of splits.

    Args:
        params: ``path`` is DIR. Where ``labels`` is not ``folders``, clips have no label here, and need no folder of a
            class.

    Raises:
        ParamsError: no path is given, or a protocol, or a fold although there is a split.
        DataError: DIR has neither splits nor metadata, or what it has is ambiguous or says no classes.
    """
    refuse_protocol(params)
    root, has_classes = given_folder(params, LAYOUT), params.labels == LABELS_OF_SOURCE
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    splits = {folder: split for folder in folders if (split := split_named(folder))}
    files = metadata_files(root, splits)
    if files:
        clips, refused = _named_clips(root, files, splits, has_classes=has_classes)
    elif splits:
        clips, refused = _found_clips(root, splits, has_classes=has_classes)
    else:
        raise DataError(f"dataset.path={root}: folders {folders} and no metadata file; expected {LAYOUT}")
    check_classes(root, (clip.label for clip in clips), LAYOUT, refused)
    return Found(root, with_published_split(root, clips, params), refused)


def _named_clips(
    root: Path, files: Mapping[str, Path], splits: Mapping[str, str], *, has_classes: bool
) -> tuple[list[Clip], list[Reject]]:
    """The clips of metadata files."""
    clips, refused = clips_of_rows(metadata_rows(files, splits), root)
    if has_classes and clips and not any(clip.label for clip in clips):
        raise DataError(
            f"{next(iter(files.values()))}: no label; expected a column label (the folders of files are not their "
            "classes where there is metadata), or -S dataset.labels=none"
        )
    if unnamed := sorted(
        set(list_videos(root).videos) - {clip.path for clip in clips} - {row.clip_id for row in refused}
    ):
        tell_once(
            f"dataset: {root}: passed over {len(unnamed)} videos in no row of the metadata, such as {unnamed[0]!r}"
        )
    return clips, refused


def _found_clips(root: Path, splits: Mapping[str, str], *, has_classes: bool) -> tuple[list[Clip], list[Reject]]:
    """The videos below the folders of splits; where folders are classes, others are passed over."""
    found = list_videos(root)
    n_folders = 2 if has_classes else 1
    taken = [name for name in found.videos if name.partition("/")[0] in splits and name.count("/") >= n_folders]
    if has_classes and (deeper := [name for name in taken if name.count("/") > n_folders]):
        raise DataError(
            f"{root / deeper[0]}: deeper than SPLIT/CLASS/FILE, where the class may be the first folder or the last; "
            "expected no deeper folders, or a metadata file with labels"
        )
    passed_over = sorted({*found.others, *found.videos} - {*taken})
    tell_what_is_passed_over(root, found._replace(others=passed_over))
    clips = []
    for name in taken:
        folder, label, *_ = name.split("/")
        clips.append(Clip(clip_id=name, path=name, label=label if has_classes else "", split=splits[folder]))
    return clips, found.refused
