"""Source ``ave``: DIR/AVE/ID.mp4, DIR/Annotations.txt and the published order files beside it.

References:
    Tian, Shi, Li, Duan & Xu (2018), Audio-Visual Event Localization in Unconstrained Videos, ECCV.
"""

from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.layouts.ave_files import Annotation, read_annotations, read_splits
from pipeline.dataset.layouts.ave_protocols import PROTOCOLS, order_ending, splits_under
from pipeline.dataset.layouts.locations import check_classes, chosen_protocol, given_folder, part_of, refuse_fold
from pipeline.formats.clips import Clip

LAYOUT = "DIR/AVE/ID.mp4, DIR/Annotations.txt and DIR/{train,val,test}_order.h5 (protocol cml: *_order_match.h5)"


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
    """
    refuse_fold(params)
    protocol = chosen_protocol(params, PROTOCOLS)
    root = given_folder(params, LAYOUT)
    part_of(root, "AVE/", LAYOUT)
    annotations = read_annotations(part_of(root, "Annotations.txt", LAYOUT))
    published = read_splits(root, order_ending(protocol), len(annotations))
    labels, video_ids = [row.label for row in annotations], [row.video_id for row in annotations]
    splits = splits_under(protocol, published, labels, video_ids)
    rows = enumerate(zip(annotations, splits, strict=True))
    clips = [_clip(row, annotation, split) for row, (annotation, split) in rows if split is not None]
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
