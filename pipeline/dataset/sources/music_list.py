"""Source ``music_list``: a list of videos by instrument in JSON, as MUSIC and MUSIC-21 are published, with your videos.

References:
    Zhao, Gan, Rouditchenko, Vondrick, McDermott & Torralba (2018), The Sound of Pixels, ECCV.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from pipeline.dataset.base import DatasetParams, Found, refusal
from pipeline.dataset.layouts.class_folders import SUFFIXES
from pipeline.dataset.layouts.locations import YOUTUBE_ID, check_classes, given_file, refuse_protocol
from pipeline.errors import DataError, in_words
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.settings.regular_files import read_regular

LAYOUT = (
    'FILE.json with {"videos": {INSTRUMENT: [ID, ...]}}, and beside it INSTRUMENT/ID.mp4 or ID.mp4, two instruments or '
    "more"
)
BETWEEN = " "  # the instruments of a duet: "flute violin"


class _VideoList(BaseModel):
    """What is read of the file; its version says nothing that is needed."""

    videos: dict[str, list[str]]


def find_clips(params: DatasetParams) -> Found:
    """Return the list's folder and a clip for each solo whose video is there; source_id is the YouTube ID.

    Duets are passed over: nobody has the sound of one player alone. An ID without a video is refused as ``missing``,
    one of two instruments as ``bad_label``.

    Args:
        params: ``path`` is the list.

    Raises:
        ParamsError: no path is given, or a protocol.
        DataError: the list cannot be read, names something other than IDs, or has solos of fewer than two instruments.
    """
    refuse_protocol(params)
    path = given_file(params, LAYOUT)
    instruments = _instruments(path)
    clips, refused = list[Clip](), list[Reject]()
    for video_id, labels in sorted(instruments.items()):
        found = _clip(path.parent, video_id, labels)
        if isinstance(found, Clip):
            clips.append(found)
        else:
            refused.append(found)
    check_classes(path, (clip.label for clip in clips), LAYOUT, refused)
    return Found(path.parent, clips, refused)


def _instruments(path: Path) -> Mapping[str, list[str]]:
    """The instruments of every video that shows one of them alone, by its ID."""
    try:
        videos = _VideoList.model_validate_json(read_regular(path)).videos
    except (ValidationError, OSError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected {LAYOUT}") from error
    solos = {label: ids for label, ids in videos.items() if BETWEEN not in label.strip()}
    if not solos:
        raise DataError(f"{path}: {len(videos)} instruments {list(videos)}, none alone; expected solos: {LAYOUT}")
    found: dict[str, list[str]] = defaultdict(list)
    for label, ids in solos.items():
        for video_id in dict.fromkeys(ids):
            if not YOUTUBE_ID.fullmatch(video_id):
                raise DataError(f"{path}: {label}: ID {video_id!r}; expected a YouTube ID")
            found[video_id].append(label)
    return found


def _clip(root: Path, video_id: str, labels: list[str]) -> Clip | Reject:
    """The clip of a video, or why there is none."""
    clip_id = f"{labels[0]}/{video_id}"
    if len(labels) > 1:
        return refusal(clip_id, "bad_label", f"it stands under {' and '.join(map(repr, labels))}", "one instrument")
    names = [f"{stem}{suffix}" for stem in (clip_id, video_id) for suffix in SUFFIXES]
    name = next((name for name in names if (root / name).exists()), None)
    if name is None:
        return refusal(clip_id, "missing", "no video has this ID", f"{clip_id}.mp4 or {video_id}.mp4")
    return Clip(clip_id=clip_id, path=name, label=labels[0], source_id=video_id)
