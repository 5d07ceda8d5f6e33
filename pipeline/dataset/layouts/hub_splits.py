"""The splits of data sets in the forms of the Hugging Face Hub: by the words that its library `datasets` knows them by.

References:
    The documentation of Datasets (Hugging Face), "Structure your repository": the words, and that all is train where
    there are none.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.dataset.base import DatasetParams
from pipeline.dataset.layouts.locations import refuse_fold
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.settings.notices import tell_once
from pipeline.settings.paths import AnyPath

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


def split_named(word: str) -> str:
    """Return the split that a word stands for, in any case; "" where it stands for none.

    Example:
        >>> split_named("Dev"), split_named("dog")
        ('validation', '')
    """
    return SPLIT_WORDS.get(word.casefold(), "")


def with_published_split(place: AnyPath, clips: Sequence[Clip], params: DatasetParams) -> list[Clip]:
    """Return the clips with the split of their files; without one where all are train, so that the stage makes it.

    Args:
        place: what they come from, for messages.
        clips: with the split that the name of a folder or a file says, or none at all.
        params: section ``dataset``.

    Raises:
        DataError: train or test is missing beside another split, or some clips have a split and others have none.
        ParamsError: a fold is given, which the split would win over.
    """
    splits = {clip.split for clip in clips}
    if splits == {"train"}:
        tell_once(f"dataset: {Path(place)}: all of its clips are train; the stage splits them as section dataset says")
        return [replace(clip, split="") for clip in clips]
    if splits <= {""}:
        return list(clips)
    refuse_fold(params)
    if "" in splits or not {"train", "test"} <= splits:
        named = [split or "none" for split in sorted(splits)]
        raise DataError(f"{Path(place)}: splits {named}; expected train and test, with or without validation, or none")
    return list(clips)
