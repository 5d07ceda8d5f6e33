"""Source ``ave``: DIR/AVE/ID.mp4, DIR/Annotations.txt and the published order files beside it.

References:
    Tian, Shi, Li, Duan & Xu (2018), Audio-Visual Event Localization in Unconstrained Videos, ECCV.
"""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.layouts.ave_files import Annotation, read_annotations, read_splits
from pipeline.dataset.layouts.locations import check_classes, chosen_protocol, given_folder, part_of, refuse_fold
from pipeline.formats.clips import Clip

LAYOUT = "DIR/AVE/ID.mp4, DIR/Annotations.txt and DIR/{train,val,test}_order.h5 (protocol cml: *_order_match.h5)"
PROTOCOLS = ("official", "official_clean", "eics15", "cml")
EICS_CLASSES = (
    "Clock",
    "Motorcycle",
    "Train horn",
    "Bark",
    "Cat",
    "Bus",
    "Rodents, rats, mice",
    "Toilet flush",
    "Acoustic guitar",
    "Frying (food)",
    "Chainsaw",
    "Horse",
    "Helicopter",
    "Baby cry, infant cry",
    "Truck",
)


def find_clips(params: DatasetParams) -> Found:
    """Return DIR and a clip for each row of Annotations.txt that the protocol uses, called ``ID#ROW``.

    ROW counts from 0, as the order files do. source_id is the ID: a video may have several rows.

    Args:
        params: ``path`` is DIR; ``protocol`` is ``official`` (or null), ``official_clean`` (no video of test in train
            or validation), ``eics15`` (15 of the 28 classes, trained on train and validation together) or ``cml``
            (cross-modal localisation: the match files).

    Raises:
        ParamsError: no path is given, an unknown protocol, or a fold.
        DataError: a part of DIR is missing or damaged, or the order files and Annotations.txt disagree.

    References:
        Zeng, Wu, Hattori, Xu & Yu (2023), Learning Explicit and Implicit Dual Common Subspaces for Audio-visual
        Cross-modal Retrieval, ACM TOMM: the 15 classes.
    """
    refuse_fold(params)
    protocol = chosen_protocol(params, PROTOCOLS)
    root = given_folder(params, LAYOUT)
    part_of(root, "AVE/", LAYOUT)
    annotations = read_annotations(part_of(root, "Annotations.txt", LAYOUT))
    splits = read_splits(root, "_match" if protocol == "cml" else "", len(annotations))
    clips = [_clip(row, *pair) for row, pair in enumerate(zip(annotations, splits, strict=True))]
    if protocol == "official_clean":
        clips = _without_test_videos(clips)
    if protocol == "eics15":
        clips = [_joined_with_train(clip) for clip in clips if clip.label in EICS_CLASSES]
    check_classes(root, (clip.label for clip in clips), LAYOUT)
    return Found(root, clips, [])


def _clip(row: int, annotation: Annotation, split: str) -> Clip:
    """One row; an event without length, of which there is one, has no times."""
    label, video_id, start_seconds, end_seconds = annotation
    times = (start_seconds, end_seconds) if start_seconds < end_seconds else (None, None)
    return Clip(
        clip_id=f"{video_id}#{row}",
        path=f"AVE/{video_id}.mp4",
        label=label,
        split=split,
        source_id=video_id,
        start_seconds=times[0],
        end_seconds=times[1],
    )


def _without_test_videos(clips: Sequence[Clip]) -> list[Clip]:
    """The clips, less those of train and validation whose video is also in test."""
    test_videos = {clip.source_id for clip in clips if clip.split == "test"}
    return [clip for clip in clips if clip.split == "test" or clip.source_id not in test_videos]


def _joined_with_train(clip: Clip) -> Clip:
    """The clip, in train where it was in validation."""
    return replace(clip, split="train") if clip.split == "validation" else clip
