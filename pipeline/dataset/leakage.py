"""What test clips share with the clips that a model learns from: too much, or not even their classes."""

from collections import Counter
from collections.abc import Sequence

from pipeline.formats.clips import Clip

RELATIONS = ("clip_id", "sha256", "source_id")
N_NAMED = 3


def leaks(clips: Sequence[Clip]) -> dict[str, list[str]]:
    """Return by relation the test clips whose clip_id, sha256 or source_id also occurs in train or validation.

    Args:
        clips: with a split; an empty sha256 or source_id is unknown and matches nothing.
    """
    shared = {}
    for relation in RELATIONS:
        learned = {getattr(clip, relation) for clip in clips if clip.split != "test"} - {""}
        shared[relation] = [c.clip_id for c in clips if c.split == "test" and getattr(c, relation) in learned]
    return shared


def leakage_counts(clips: Sequence[Clip]) -> dict[str, int]:
    """Return ``test_same_clip_id``, ``test_same_sha256`` and ``test_same_source_id``: how many test clips leak.

    Beside them ``duplicate_groups``, how many files come more than once in any split, and ``unknown_source``, how many
    clips have no source_id, so that nothing is known about it.
    """
    files = [clip for clip in clips if not clip.window or clip.window[0] == 0]  # of windows the first one
    copies = Counter(clip.sha256 for clip in files if clip.sha256)
    return {
        **{f"test_same_{relation}": len(clip_ids) for relation, clip_ids in leaks(clips).items()},
        "duplicate_groups": sum(count > 1 for count in copies.values()),
        "unknown_source": sum(not clip.source_id for clip in clips),
    }


def leakage_warnings(clips: Sequence[Clip]) -> list[str]:
    """Return a line for each relation by which test clips leak, with the first of them; none where all is well."""
    return [
        f"LEAKAGE: {len(clip_ids)} test clips share their {relation} with clips of train or validation, "
        f"such as {', '.join(map(repr, clip_ids[:N_NAMED]))}: scores on them flatter the model"
        for relation, clip_ids in leaks(clips).items()
        if clip_ids
    ]


def untrained_warnings(clips: Sequence[Clip]) -> list[str]:
    """Return a line that names classes of test without a clip in train, as labels counted from 0 and from 1 give."""
    trained = {clip.label for clip in clips if clip.split == "train"}
    untrained = sorted({clip.label for clip in clips if clip.split == "test"} - trained - {""})
    if not untrained:
        return []
    return [
        f"UNTRAINED CLASSES: {len(untrained)} of the test split, such as {', '.join(map(repr, untrained[:N_NAMED]))}: "
        "no clip of them is in train"
    ]
