"""Which clips train, validate and test: stratified by class, and no recording and no copy of a file on two sides."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from pipeline.dataset.base import DatasetParams
from pipeline.dataset.leakage import RELATIONS
from pipeline.errors import DataError
from pipeline.formats.clips import SPLITS, Clip
from pipeline.groups import groups_of

N_NAMED = 5  # of classes that are too small

Group: TypeAlias = list[Clip]  # what must stay together, sorted by clip_id


def assign_splits(clips: Sequence[Clip], params: DatasetParams) -> list[Clip]:
    """Return the clips with a stratified split in which clips of one source or of equal bytes stay together.

    Within a class, groups of such clips are ranked by a seeded hash of their names, so that one clip more moves few
    others. A group of several classes counts for that of its first clip. Clips without a label are split as those of a
    class; one or two of them among others are trained on. A clip that has a split keeps it, but where
    a source names only train and test, validation is carved out of train.

    Args:
        clips: with their sha256; with or without a split.
        params: ``test_fraction`` of each class's clips becomes test, or fold ``fold`` of ``n_folds``;
            ``validation_fraction`` of the rest becomes validation. Another ``seed``, another split.

    Raises:
        DataError: a class without a split has fewer than three groups, one each to train, validate and test on, or a
            split has no clip in the end.
    """
    groups = related(clips)
    side = {clip.clip_id: clip.split for group in groups for clip in _joined(group)}
    open_groups = [group for group in groups if not side[group[0].clip_id]]
    classes = _by_class(open_groups, params.seed)
    if len(classes) > 1 and len(classes.get("", SPLITS)) < len(SPLITS):
        side |= {clip.clip_id: "train" for group in classes.pop("") for clip in group}
    _check_sizes({label: len(ranked) for label, ranked in classes.items()})
    for label, ranked in classes.items():
        side |= _sides(label, ranked, params)
    if "validation" not in side.values():
        side |= _validation_of(groups, side, params)
    for split in SPLITS:
        if split not in side.values():
            raise DataError(
                f"split {split!r}: none of {len(clips)} clips; expected at least one, which shares no recording (a "
                "source, or the bytes of a file) with another split"
            )
    return [replace(clip, split=side[clip.clip_id]) for clip in clips]


def _check_sizes(n_groups: Mapping[str, int]) -> None:
    """Refuse classes that are too small to be split; all of them at once, as a user mends them at once."""
    small = [
        f"{repr(label) if label else 'no label'} has {count}"
        for label, count in n_groups.items()
        if count < len(SPLITS)
    ]
    if small:
        raise DataError(
            f"{len(small)} of {len(n_groups)} classes are too small to be split: {', '.join(small[:N_NAMED])}"
            f"{', ...' if len(small) > N_NAMED else ''}; expected at least {len(SPLITS)} recordings of each (clips of "
            "one source or of the same bytes count as one): add clips, take these classes out, or give their clips a "
            "split in a table"
        )


def related(clips: Iterable[Clip]) -> list[Group]:
    """Return the clips in groups: those that share a source or their bytes, directly or by way of others."""
    ordered = sorted(clips, key=lambda clip: clip.clip_id)
    relations = [[getattr(clip, name) for clip in ordered] for name in RELATIONS]
    groups: dict[int, Group] = defaultdict(list)
    for number, clip in zip(groups_of(*relations).tolist(), ordered, strict=True):
        groups[number].append(clip)
    return list(groups.values())


def _joined(group: Group) -> Group:
    """The group, where those without a split follow those that have one: to test before validation before train."""
    given = {clip.split for clip in group} - {""}
    side = next((split for split in reversed(SPLITS) if split in given), "")
    return [clip if clip.split else replace(clip, split=side) for clip in group]


def _by_class(groups: Iterable[Group], seed: int) -> dict[str, list[Group]]:
    """The groups of each class in the order of a seeded hash of their names."""
    by_class = defaultdict(list)
    for group in groups:
        by_class[group[0].label].append(group)
    return {label: sorted(ranked, key=lambda group: _hash(seed, _name(group))) for label, ranked in by_class.items()}


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def _name(group: Group) -> str:
    """The source of its first clip where it is known, else that clip itself, or the file that it is a window of."""
    return f"source {group[0].source_id}" if group[0].source_id else f"clip {group[0].file_id}"


def _sides(label: str, ranked: list[Group], params: DatasetParams) -> dict[str, str]:
    """The split of every clip of one class."""
    if params.fold is None:
        n_test = _n_groups(params.test_fraction, ranked, keep=2)
        test, rest = ranked[:n_test], ranked[n_test:]
    else:
        folds = _folds(label, ranked, params.seed, params.n_folds)
        test = [group for group, fold in zip(ranked, folds, strict=True) if fold == params.fold]
        rest = [group for group, fold in zip(ranked, folds, strict=True) if fold != params.fold]
    n_validation = _n_groups(params.validation_fraction, rest, keep=1)
    members = {"test": test, "validation": rest[:n_validation], "train": rest[n_validation:]}
    return {clip.clip_id: split for split, groups in members.items() for group in groups for clip in group}


def _folds(label: str, ranked: list[Group], seed: int, n_folds: int) -> list[int]:
    """The fold of every group: equal stretches of the ranking.

    Each class starts at a fold of its own, or the remainders of all classes would meet in the same ones.
    """
    sizes = np.array([len(group) for group in ranked])
    middles = np.cumsum(sizes) - sizes / 2
    start = int.from_bytes(_hash(seed, label)[:8])
    return [(int(n_folds * middle / sizes.sum()) + start) % n_folds for middle in middles.tolist()]


def _n_groups(fraction: float, ranked: list[Group], keep: int) -> int:
    """How many of the first groups come nearest to ``fraction`` of the clips: at least 1, with ``keep`` left over."""
    seen = list(accumulate(len(group) for group in ranked))
    wanted = round(fraction * seen[-1])
    nearest = min(range(len(seen)), key=lambda i: abs(seen[i] - wanted))
    return min(nearest + 1, len(seen) - keep)


def _validation_of(groups: Sequence[Group], side: dict[str, str], params: DatasetParams) -> dict[str, str]:
    """A stratified part of train that shares nothing with the rest of train, nor with test."""
    train = [group for group in groups if all(side[clip.clip_id] == "train" for clip in group)]
    carved = [
        group
        for ranked in _by_class(train, params.seed).values()
        for group in ranked[: _n_groups(params.validation_fraction, ranked, keep=1)]
    ]
    return {clip.clip_id: "validation" for group in carved for clip in group}
