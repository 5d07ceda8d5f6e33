"""No sound and no picture on both sides of a fold, whatever the folds are made by."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.feature_table import FeatureTable
from pipeline.tune import folds as folds_module
from pipeline.tune.folds import folds, groups_of_equal, repeated_folds

Rows = NDArray[Any]


def table(n_pictures: int, n_voices: int = 2) -> FeatureTable:
    """160 clips of four classes: sounds of their own, pictures of a few for each class; every fifth clip is test."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 40)
    voices = 9 * rng.standard_normal((n_voices, 6))[np.arange(160) % n_voices]
    pictures = rng.standard_normal((4, n_pictures, 5))[labels, rng.integers(0, n_pictures, 160)]
    return FeatureTable(
        clip_ids=[str(i) for i in range(160)],
        splits=["test" if i % 5 == 0 else "train" for i in range(160)],
        labels=labels,
        classes=list("abcd"),
        audio=(voices + rng.standard_normal((160, 6))).astype(np.float32),
        visual=pictures.astype(np.float32),
        provenance={},
    )


def set_of(rows: Rows) -> set[bytes]:
    return {row.tobytes() for row in rows}


@pytest.mark.parametrize("by_cluster", [False, True])
def test_no_picture_is_on_both_sides_of_a_fold(by_cluster: bool) -> None:
    clips = table(n_pictures=30)
    assert len(set_of(clips.visual)) < 110
    parts = list(folds(clips, 2, 0, by_cluster=by_cluster))
    for fit, held in parts:
        assert set_of(clips.visual[fit]).isdisjoint(set_of(clips.visual[held]))
        assert set(clips.labels[fit]) == set(clips.labels[held]) == {0, 1, 2, 3}
    held_out = np.concatenate([held for _, held in parts])
    assert sorted(held_out) == [i for i in range(160) if i % 5]


def test_no_sound_is_on_both_sides_of_a_fold() -> None:
    clips = table(n_pictures=30)
    turned = replace(clips, audio=clips.visual, visual=clips.audio)
    for fit, held in folds(turned, 3, 0, by_cluster=False):
        assert set_of(turned.audio[fit]).isdisjoint(set_of(turned.audio[held]))


def test_folds_without_equal_rows_lose_no_row() -> None:
    clips = table(n_pictures=30)
    clips = replace(clips, visual=np.random.default_rng(1).standard_normal((160, 5)).astype(np.float32))
    for fit, held in folds(clips, 2, 0, by_cluster=True):
        assert sorted([*fit, *held]) == [i for i in range(160) if i % 5]


def test_groups_are_clips_of_one_sound_or_picture_and_what_hangs_on_them() -> None:
    audio = np.array([[0], [0], [1], [2], [3], [4]], np.float32)
    visual = np.array([[0], [1], [1], [2], [3], [3]], np.float32)
    assert groups_of_equal(audio, visual).tolist() == [0, 0, 0, 1, 2, 2]


def test_clusters_that_share_the_pictures_of_a_class_are_refused() -> None:
    with pytest.raises(
        DataError, match="fold 0: a class has no clip left to fit on; expected some that share no sound"
    ):
        list(folds(table(n_pictures=1), 2, 0, by_cluster=True))


def test_clips_without_a_label_are_no_class_that_folds_must_know() -> None:
    clips = table(n_pictures=30)
    few = np.flatnonzero(np.array(clips.splits) == "train")[:2]
    hidden = np.where(np.isin(np.arange(160), few), -1, clips.labels)
    parts = list(folds(replace(clips, labels=hidden), 3, 0))
    assert sorted(np.concatenate([held for _, held in parts])) == [i for i in range(160) if i % 5]
    assert all({0, 1, 2, 3} <= set(hidden[held]) for _, held in parts)


@pytest.mark.parametrize("by_cluster", [False, True])
def test_a_table_without_any_label_is_cut_too(by_cluster: bool) -> None:
    clips = replace(table(n_pictures=60), labels=np.full(160, -1), classes=[])
    for fit, held in folds(clips, 2, 0, by_cluster=by_cluster):
        assert set_of(clips.visual[fit]).isdisjoint(set_of(clips.visual[held]))
        assert min(len(fit), len(held)) > 0


def test_fewer_clips_without_a_label_than_folds_are_refused() -> None:
    clips = replace(table(n_pictures=60), labels=np.full(160, -1), classes=[], splits=["test"] * 158 + ["train"] * 2)
    with pytest.raises(DataError, match=r"the table has 2 clips that are not test .*; expected at least 3, one a fold"):
        list(folds(clips, 3, 0))


def bare(clips: FeatureTable, n_labelled: int) -> FeatureTable:
    """The table with so many labels of each class, of the first clips that are not test."""
    labels = np.full(160, -1)
    for label in range(4):
        rows = [row for row in np.flatnonzero(clips.labels == label) if clips.splits[row] != "test"]
        labels[rows[:n_labelled]] = label
    return replace(clips, labels=labels)


def test_of_a_large_fold_the_rows_with_a_label_are_scored_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = bare(table(n_pictures=1000), n_labelled=6)
    whole = repeated_folds(clips, 2, 1, 0)
    monkeypatch.setattr(folds_module, "N_SCORED", 15)
    for (_, held), (_, scored) in zip(whole, repeated_folds(clips, 2, 1, 0), strict=True):
        labelled = held[clips.labels[held] >= 0]
        assert len(scored) == 15 > len(labelled) > 0
        assert set(labelled) <= set(scored) <= set(held)
    monkeypatch.setattr(folds_module, "N_SCORED", 5)
    for _, scored in repeated_folds(clips, 2, 1, 0):
        assert (clips.labels[scored] >= 0).all()
    for _, scored in repeated_folds(bare(clips, 0), 2, 1, 0):
        assert len(scored) == 5


def test_a_fold_that_holds_out_no_label_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = bare(table(n_pictures=1000), n_labelled=6)
    rows = np.flatnonzero(clips.labels < 0)
    monkeypatch.setattr(folds_module, "folds", lambda *_, **__: iter([(rows[50:], rows[:50])]))
    with pytest.raises(DataError, match="fold 0: no clip held out has a label; expected fewer folds, or more labels"):
        repeated_folds(clips, 2, 1, 0)
