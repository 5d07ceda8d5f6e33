"""The splits of AVE that papers use: which rows each takes, and on which side, for videos and published features alike.

References:
    Tian, Shi, Li, Duan & Xu (2018), Audio-Visual Event Localization in Unconstrained Videos, ECCV.
    Zeng, Wu, Hattori, Xu & Yu (2023), Learning Explicit and Implicit Dual Common Subspaces for Audio-visual Cross-modal
    Retrieval, ACM TOMM: the 15 classes.
"""

from collections.abc import Sequence

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


def order_ending(protocol: str) -> str:
    """Return what the names of a protocol's order files have after ``order``: ``_match`` for ``cml``, else nothing."""
    return "_match" if protocol == "cml" else ""


def splits_under(
    protocol: str, splits: Sequence[str], labels: Sequence[str], video_ids: Sequence[str]
) -> list[str | None]:
    """Return the split of each row, None for a row that the protocol leaves out.

    Args:
        protocol: one of ``PROTOCOLS``: ``official_clean`` leaves out train and validation rows of test videos,
            ``eics15`` all but 15 classes, and trains on train and validation together.
        splits: n, of the protocol's order files.
        labels: n categories of Annotations.txt.
        video_ids: likewise.

    Example:
        >>> splits_under("official_clean", ["train", "train", "test"], ["Bark", "Goat", "Goat"], ["a", "b", "a"])
        [None, 'train', 'test']
        >>> splits_under("eics15", ["train", "validation", "test"], ["Bark", "Bark", "Goat"], ["a", "b", "c"])
        ['train', 'train', None]
    """
    tested = {video for video, split in zip(video_ids, splits, strict=True) if split == "test"}
    used: list[str | None] = []
    for split, label, video in zip(splits, labels, video_ids, strict=True):
        left_out = (protocol == "official_clean" and split != "test" and video in tested) or (
            protocol == "eics15" and label not in EICS_CLASSES
        )
        joined = protocol == "eics15" and split == "validation"
        used.append(None if left_out else "train" if joined else split)
    return used
