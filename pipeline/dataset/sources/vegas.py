"""Source ``vegas``: DIR/videos/CLASS/ID.mp4, and five lists of IDs in DIR/folds; one list is the test split.

References:
    Zhou, Wang, Fang, Bui & Berg (2018), Visual to Sound: Generating Natural Sound for Videos in the Wild, CVPR.
"""

from pathlib import Path, PurePosixPath

from pipeline.dataset.base import DatasetParams, Found, refusal
from pipeline.dataset.layouts.class_folders import list_classes, tell_what_is_passed_over
from pipeline.dataset.layouts.locations import check_classes, fold_lists, given_folder, part_of, refuse_protocol
from pipeline.errors import DataError, in_words
from pipeline.formats.clips import Clip
from pipeline.settings.regular_files import read_regular

LAYOUT = (
    "DIR/videos/CLASS/ID.mp4 with two classes or more, and DIR/folds/ with a list of IDs for each fold, an ID a line"
)


def find_clips(params: DatasetParams) -> Found:
    """Return DIR and a clip for each video; the list number ``dataset.fold`` is test, all others are train.

    The lists are counted from 0 in the order of their names, numbers in them read as numbers. An ID that has a place
    in a list but no video is refused as ``missing``.

    Args:
        params: ``path`` is DIR, ``fold`` 0 to n_folds - 1; null means 0.

    Raises:
        ParamsError: no path is given, or a protocol.
        DataError: a part of DIR is missing, there are not ``n_folds`` lists, or an ID or a video has not one place.
    """
    refuse_protocol(params)
    root = given_folder(params, LAYOUT)
    videos = part_of(root, "videos/", LAYOUT)
    folds = _read_folds(part_of(root, "folds/", LAYOUT), params.n_folds)
    found = list_classes(videos)
    tell_what_is_passed_over(videos, found)
    by_id, refused = _by_id(videos, found.videos), found.refused
    if unlisted := sorted(by_id.keys() - folds.keys()):
        raise DataError(
            f"{root / 'folds'}: {len(unlisted)} videos stand in no list, such as {by_id[unlisted[0]]!r}; "
            "expected every ID in one list"
        )
    test_fold = params.fold or 0
    clips = [
        _clip(clip_id, name, "test" if folds[clip_id] == test_fold else "train") for clip_id, name in by_id.items()
    ]
    check_classes(root, (clip.label for clip in clips), LAYOUT, refused)
    there = by_id.keys() | {PurePosixPath(reject.clip_id).stem for reject in refused}
    gone = [refusal(clip_id, "missing", "no video has this ID", LAYOUT) for clip_id in sorted(folds.keys() - there)]
    return Found(root, clips, refused + gone)


def _clip(clip_id: str, name: str, split: str) -> Clip:
    """One video."""
    return Clip(clip_id=clip_id, path=f"videos/{name}", label=name.partition("/")[0], split=split)


def _by_id(videos: Path, names: list[str]) -> dict[str, str]:
    """``CLASS/ID.mp4`` of each ID."""
    by_id: dict[str, str] = {}
    for name in names:
        clip_id = PurePosixPath(name).stem
        if clip_id in by_id:
            raise DataError(f"{videos}: {by_id[clip_id]!r} and {name!r} have one ID; expected an ID in one class")
        by_id[clip_id] = name
    return by_id


def _read_folds(folder: Path, n_folds: int) -> dict[str, int]:
    """The fold of each ID."""
    lists = fold_lists(folder)
    if len(lists) != n_folds:
        names = [path.name for path in lists]
        raise DataError(f"{folder}: {len(lists)} lists {names}; expected dataset.n_folds={n_folds} of them")
    folds: dict[str, int] = {}
    for fold, path in enumerate(lists):
        for clip_id in _ids(path):
            if clip_id in folds:
                raise DataError(
                    f"{path}: ID {clip_id!r} stands in {lists[folds[clip_id]].name} too; expected it in one list"
                )
            folds[clip_id] = fold
    return folds


def _ids(path: Path) -> list[str]:
    """The IDs of one list."""
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected a text file, an ID a line") from error
    return [line.strip() for line in lines if line.strip()]
