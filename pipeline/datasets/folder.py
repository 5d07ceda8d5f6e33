"""Source ``folder``: a folder a class, DIR/CLASS/*.mp4; the folder's name is the label."""

from pathlib import Path

from pipeline.clips import Clip
from pipeline.datasets.base import DatasetParams, Found
from pipeline.errors import DataError, ParamsError

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
LAYOUT = f"DIR/CLASS/*{' *'.join(SUFFIXES)} with two classes or more"


def find_clips(params: DatasetParams) -> Found:
    """Return the folder and its clips, sorted; hidden files and files of other kinds are passed over.

    Args:
        params: ``path`` is DIR; a relative one starts from the folder that the command runs in.

    Raises:
        ParamsError: no path is given.
        DataError: DIR is no folder, or holds videos of fewer than two classes.
    """
    root = params.path
    if root is None:
        raise ParamsError("dataset.path is null; expected a folder: -S dataset.path=DIR with DIR/CLASS/*.mp4")
    if not root.is_dir():
        raise DataError(f"dataset.path={root}: no such folder (seen from {Path.cwd()}); expected {LAYOUT}")
    names = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*") if _is_video(path))
    clips = [Clip(clip_id=name, path=name, label=name.partition("/")[0]) for name in names]
    labels = sorted({clip.label for clip in clips})
    if len(labels) < 2:
        raise DataError(f"dataset.path={root}: {len(clips)} videos of classes {labels}; expected {LAYOUT}")
    return Found(root, clips, [])


def _is_video(path: Path) -> bool:
    """Whether a path looks like a video that belongs to a class."""
    hidden = path.name.startswith(".") or path.parent.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and not path.is_dir()
