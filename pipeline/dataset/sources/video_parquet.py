"""Source ``video_parquet``: videos in Parquet files, as data sets of the Hugging Face Hub keep them, such as AVE's."""

from pathlib import Path

from pipeline.dataset.base import DatasetParams, Found, refusal
from pipeline.dataset.file_hashes import with_hashes
from pipeline.dataset.layouts.hub_splits import with_published_split
from pipeline.dataset.layouts.locations import check_classes, given_folder, refuse_protocol
from pipeline.dataset.layouts.parquet_files import Shard, shards_of
from pipeline.dataset.layouts.unpacked import UnpackedRow, unpack
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.settings.environment import cache_folder
from pipeline.settings.limits import load_limits
from pipeline.settings.progress import track

LAYOUT = "DIR/*.parquet or DIR/*/*.parquet with columns video, optional label and audio; two classes or none"
KEY_LETTERS = 16  # of the hash of a file, in the names of what was in it


def find_clips(params: DatasetParams) -> Found:
    """Return the folder of the unpacked videos, in the cache, and a clip for each row, called ``FILE#ROW``.

    The split is the one that the name of a file or of its folder says. A video without sound has that of the column
    ``audio``; ``source_id`` or ``youtube_id`` is the recording.

    Args:
        params: ``path`` is DIR.

    Raises:
        ParamsError: no path is given, or a protocol, or a fold although there is a split.
        DataError: DIR has no such files, one of them is damaged or lacks a column, or they are not all there.
    """
    refuse_protocol(params)
    root = given_folder(params, LAYOUT)
    folder, limits = cache_folder() / "unpacked", load_limits()
    clips: list[Clip] = []
    refused: list[Reject] = []
    for shard, key in track(_keyed(root), "unpack", "file"):
        for number, row in enumerate(unpack(shard.path, folder, key, limits)):
            found = _clip(shard, number, row)
            clips.append(found) if isinstance(found, Clip) else refused.append(found)
    check_classes(root, (clip.label for clip in clips), LAYOUT, refused)
    return Found(folder, with_published_split(root, clips, params), refused)


def _keyed(root: Path) -> list[tuple[Shard, str]]:
    """The Parquet files, each with a name for its bytes."""
    shards = shards_of(root, LAYOUT)
    names = [shard.path.relative_to(root).as_posix() for shard in shards]
    files = [Clip(clip_id=name, path=name, label="") for name in names]
    hashed = with_hashes(root, files, cache_folder() / "file_hashes.json")
    if unread := [clip.path for clip in hashed if not clip.sha256]:
        raise DataError(f"{root / unread[0]}: cannot be read; expected a Parquet file")
    return [(shard, clip.sha256[:KEY_LETTERS]) for shard, clip in zip(shards, hashed, strict=True)]


def _clip(shard: Shard, number: int, row: UnpackedRow) -> Clip | Reject:
    """One row, or why it is no clip."""
    clip_id = f"{shard.name}#{number}"
    if not row.path:
        return refusal(clip_id, "missing", "no bytes in its column 'video'", "the bytes of a video file")
    if row.label and not row.label.strip():
        return refusal(clip_id, "bad_label", f"label {row.label!r}", "the name of a class")
    return Clip(clip_id=clip_id, path=row.path, label=row.label, split=shard.split, source_id=row.source_id)
