import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset.splits import assign_splits, related
from pipeline.errors import DataError
from pipeline.formats.clips import SPLITS, Clip
from tests.helpers.dataset_params import dataset_params

quick = settings(max_examples=12, deadline=None, derandomize=True)


def make_clips(n_classes: int, n_clips: int, clips_a_source: int = 0) -> list[Clip]:
    return [
        Clip(
            clip_id=f"c{label}/{i:03}.mp4",
            path=f"c{label}/{i:03}.mp4",
            label=f"c{label}",
            source_id=f"{label}-{i // clips_a_source}" if clips_a_source else "",
        )
        for label in range(n_classes)
        for i in range(n_clips)
    ]


def split(clips: list[Clip], **changes: Any) -> list[Clip]:  # noqa: ANN401 - whatever a user may write
    return assign_splits(clips, dataset_params(**changes))


def make_tangled(seed: int, n: int) -> list[Clip]:
    """Clips of three classes of which some share a source, some their bytes, and some are linked by way of others."""
    rng = np.random.default_rng(seed)
    source = np.where(rng.random(n) < 0.4, rng.integers(0, n // 3, n).astype(str), "")
    copy = np.where(rng.random(n) < 0.2, rng.integers(0, n // 6, n).astype(str), np.arange(n, 2 * n).astype(str))
    copy[rng.random(n) < 0.1] = ""
    rows = enumerate(zip(source.tolist(), copy.tolist(), strict=True))
    return [Clip(clip_id=f"{i:03}", path="", label=f"c{i % 3}", source_id=a, sha256=b) for i, (a, b) in rows]


tangled_clips = st.builds(make_tangled, st.integers(0, 9999), st.integers(40, 90))


def sides(clips: list[Clip], key: str) -> dict[str, set[str]]:
    """The splits in which each known value of a column occurs."""
    found = defaultdict(set)
    for clip in clips:
        if value := getattr(clip, key):
            found[value].add(clip.split)
    return found


def test_clips_without_relations_are_split_as_the_naive_ranking_says() -> None:
    for n in (3, 10, 26):
        ids = [clip.clip_id for clip in make_clips(1, n)]
        ranked = sorted(ids, key=lambda i: hashlib.sha256(f"0:clip {i}".encode()).digest())
        n_test = max(1, round(0.25 * n))
        n_validation = max(1, round(0.2 * (n - n_test)))
        expected = ["test"] * n_test + ["validation"] * n_validation + ["train"] * (n - n_test - n_validation)
        assert {c.clip_id: c.split for c in split(make_clips(1, n))} == dict(zip(ranked, expected, strict=True))


@quick
@given(tangled_clips, st.integers(0, 5), st.sampled_from([None, 0, 3]))
def test_no_source_and_no_file_is_on_two_sides(clips: list[Clip], seed: int, fold: int | None) -> None:
    done = split(clips, seed=seed, fold=fold)
    assert all(len(found) == 1 for key in ("source_id", "sha256") for found in sides(done, key).values())


@quick
@given(tangled_clips, st.integers(2, 6))
def test_every_clip_is_in_the_test_split_of_exactly_one_fold(clips: list[Clip], n_folds: int) -> None:
    tested = Counter(
        clip.clip_id
        for fold in range(n_folds)
        for clip in split(clips, n_folds=n_folds, fold=fold)
        if clip.split == "test"
    )
    assert tested == {clip.clip_id: 1 for clip in clips}


@quick
@given(st.integers(5, 60), st.integers(2, 5), st.integers(0, 9))
def test_folds_of_a_class_differ_by_one_clip_at_most(n_clips: int, n_folds: int, seed: int) -> None:
    counts: Counter[tuple[str, int]] = Counter()
    for fold in range(n_folds):
        done = split(make_clips(2, n_clips), n_folds=n_folds, fold=fold, seed=seed)
        counts.update((clip.label, fold) for clip in done if clip.split == "test")
    assert {count for count in counts.values()} <= {n_clips // n_folds, -(-n_clips // n_folds)}


def test_the_remainders_of_many_classes_do_not_meet_in_the_same_folds() -> None:
    counts = [
        sum(clip.split == "test" for clip in split(make_clips(60, 7), fold=fold)) for fold in range(5)
    ]  # were every class to start at fold 0: 60 in some folds, 120 in others
    assert all(70 <= count <= 98 for count in counts)


@quick
@given(tangled_clips)
def test_shares_are_right_within_the_largest_group(clips: list[Clip]) -> None:
    largest = max(map(len, related(clips)))
    n_test = sum(clip.split == "test" for clip in split(clips))
    assert abs(n_test - 0.25 * len(clips)) <= 3 * (largest + 1)  # three classes


@quick
@given(st.integers(20, 60), st.sampled_from([None, 0, 1]))
def test_one_clip_more_moves_few_others(n_clips: int, fold: int | None) -> None:
    before = {clip.clip_id: clip.split for clip in split(make_clips(1, n_clips), fold=fold)}
    after = {clip.clip_id: clip.split for clip in split(make_clips(1, n_clips + 1), fold=fold)}
    assert sum(after[clip_id] != side for clip_id, side in before.items()) <= 4


def test_clips_of_known_sources_may_change_their_names() -> None:
    clips = make_clips(2, 40, clips_a_source=3)
    renamed = [replace(clip, clip_id=f"new {clip.clip_id}") for clip in clips]
    assert [clip.split for clip in split(renamed)] == [clip.split for clip in split(clips)]


@pytest.mark.parametrize("fold", [None, 2])
def test_the_order_of_the_clips_does_not_matter(fold: int | None) -> None:
    clips = make_clips(3, 20, clips_a_source=2)
    assert split(clips, fold=fold) == split(clips[::-1], fold=fold)[::-1]


@quick
@given(tangled_clips, st.randoms(use_true_random=False), st.sampled_from([None, 1]), st.booleans())
def test_the_order_of_tangled_clips_does_not_matter(
    clips: list[Clip], rng: Random, fold: int | None, half: bool
) -> None:
    clips = [replace(clip, split="test") if half and i % 5 == 0 else clip for i, clip in enumerate(clips)]
    shuffled = rng.sample(clips, len(clips))
    sides_of = [{clip.clip_id: clip.split for clip in split(order, fold=fold)} for order in (clips, shuffled)]
    assert sides_of[0] == sides_of[1]


def make_recordings(sizes: list[int]) -> list[Clip]:
    """Clips of two classes; recordings of these many clips, in turn of one class and the other."""
    return [
        Clip(clip_id=f"{source}/{i}", path="", label=f"c{source % 2}", source_id=f"s{source}")
        for source, size in enumerate(sizes)
        for i in range(size)
    ]


recordings = st.lists(st.integers(1, 9), min_size=6, max_size=40)


@quick
@given(recordings, st.floats(0.05, 0.9), st.integers(0, 9))
def test_recordings_of_any_sizes_give_every_class_to_every_split_in_its_share(
    sizes: list[int], fraction: float, seed: int
) -> None:
    done = split(make_recordings(sizes), test_fraction=fraction, seed=seed)
    counts = Counter((clip.label, clip.split) for clip in done)
    for label, own in (("c0", sizes[::2]), ("c1", sizes[1::2])):
        assert all(counts[label, name] for name in SPLITS)
        kept_back = sum(sorted(own)[-2:])  # a recording each for train and validation, whatever the share
        assert -max(max(own), kept_back) - 1 <= counts[label, "test"] - fraction * sum(own) <= max(own) + 1


@quick
@given(recordings, st.integers(1, 9), st.sampled_from([None, 0, 3]))
def test_one_recording_more_moves_few_others(sizes: list[int], size: int, fold: int | None) -> None:
    before = {clip.clip_id: clip.split for clip in split(make_recordings(sizes), fold=fold)}
    after = {clip.clip_id: clip.split for clip in split(make_recordings([*sizes, size]), fold=fold)}
    moved = {clip_id.partition("/")[0] for clip_id, side in before.items() if after[clip_id] != side}
    assert len(moved) <= 2 * max(*sizes, size)


def test_the_split_takes_the_asked_share_of_every_class() -> None:
    counts = Counter((clip.label, clip.split) for clip in split(make_clips(3, 20)))
    expected = {"test": 5, "validation": 3, "train": 12}
    assert counts == {(f"c{i}", name): n for i in range(3) for name, n in expected.items()}


def test_the_share_is_one_of_clips_not_of_sources() -> None:
    big = [Clip(clip_id=f"big{i:02}", path="", label="c0", source_id=f"big {i // 10}") for i in range(40)]
    clips = split([*big, *make_clips(1, 40)])
    assert sum(clip.split == "test" for clip in clips) == pytest.approx(20, abs=5)


def test_a_source_of_two_classes_is_on_one_side() -> None:
    shared = [Clip(clip_id=f"c{i}/shared", path="", label=f"c{i}", source_id="0-0") for i in (1, 2)]
    for seed in range(20):
        assert len(sides(split(make_clips(3, 6, clips_a_source=2) + shared, seed=seed), "source_id")["0-0"]) == 1


def test_files_without_a_hash_are_no_copies_of_each_other() -> None:
    assert [len(group) for group in related(make_clips(1, 4))] == [1] * 4


def test_another_seed_gives_another_split() -> None:
    assert split(make_clips(2, 20), seed=0) != split(make_clips(2, 20), seed=1)


def test_a_split_that_is_given_stays() -> None:
    known = [Clip(clip_id=f"g{i}", path="", label="c0", split="test") for i in range(3)]
    assert [clip.split for clip in split([*known, *make_clips(2, 10)])[:3]] == ["test"] * 3


def test_a_clip_without_a_split_follows_its_source() -> None:
    known = [Clip(clip_id=f"g{name}", path="", label="c0", split=name, source_id=name) for name in SPLITS]
    free = [Clip(clip_id=f"f{name}", path="", label="c0", source_id=name) for name in SPLITS]
    assert [clip.split for clip in split([*known, *free])] == [*SPLITS, *SPLITS]


def test_a_clip_without_a_split_follows_a_source_on_two_sides_to_test() -> None:
    known = [Clip(clip_id=f"g{name}", path="", label="c0", split=name, source_id="both") for name in ("train", "test")]
    free = Clip(clip_id="free", path="", label="c0", source_id="both")
    assert split([*known, free, *make_clips(2, 10)])[2].split == "test"


def published(clips: list[Clip]) -> list[Clip]:
    """Every fourth clip is test, the others are train."""
    return [replace(clip, split="train" if i % 4 else "test") for i, clip in enumerate(clips)]


def test_validation_is_carved_out_of_train_and_test_stays() -> None:
    clips = published(make_clips(3, 40))
    done = split(clips)
    assert [clip.split == "test" for clip in done] == [clip.split == "test" for clip in clips]
    assert Counter((clip.label, clip.split) for clip in done if clip.split == "validation") == {
        (f"c{i}", "validation"): 6 for i in range(3)
    }


def test_validation_takes_one_of_two_recordings_and_never_the_only_one() -> None:
    rows = [("c0", "train"), ("c0", "train"), ("c0", "test"), ("c1", "train"), ("c1", "test")]
    clips = [Clip(clip_id=str(i), path="", label=label, split=side) for i, (label, side) in enumerate(rows)]
    assert sorted(clip.split for clip in split(clips) if clip.label == "c0") == ["test", "train", "validation"]
    assert sorted(clip.split for clip in split(clips) if clip.label == "c1") == ["test", "train"]


@quick
@given(tangled_clips, st.integers(0, 5))
def test_validation_shares_nothing_with_train_or_test(clips: list[Clip], seed: int) -> None:
    done = split(published(clips), seed=seed)
    for key in ("source_id", "sha256"):
        assert all(found == {"validation"} for found in sides(done, key).values() if "validation" in found)


@quick
@given(tangled_clips)
def test_published_test_clips_stay_test_and_no_others_become_it(clips: list[Clip]) -> None:
    before = published(clips)
    assert [c.split == "test" for c in split(before)] == [c.split == "test" for c in before]


def test_a_published_validation_split_stays_as_it_is() -> None:
    clips = [replace(clip, split=SPLITS[i % 3]) for i, clip in enumerate(make_clips(2, 9))]
    assert split(clips) == clips


@pytest.mark.parametrize(("n_clips", "fraction"), [(3, 0.25), (4, 0.25), (5, 0.99)])
def test_a_small_class_still_has_a_clip_on_every_side(n_clips: int, fraction: float) -> None:
    clips = [clip for clip in make_clips(2, 30) if clip.label == "c1" or clip.clip_id < f"c0/{n_clips:03}"]
    assert {clip.split for clip in split(clips, test_fraction=fraction) if clip.label == "c0"} == set(SPLITS)


def test_classes_that_are_too_small_are_named_all_at_once() -> None:
    message = r"2 of 2 classes are too small to be split: 'c0' has 2, 'c1' has 2; expected at least 3 recordings"
    with pytest.raises(DataError, match=message):
        split(make_clips(2, 2))


@pytest.mark.parametrize(("given_split", "missing"), [("train", "test"), ("test", "train")])
def test_a_source_without_train_or_test_is_refused(given_split: str, missing: str) -> None:
    clips = [replace(clip, split=given_split) for clip in make_clips(2, 5)]
    with pytest.raises(DataError, match=rf"split '{missing}': none of 10 clips; expected at least one"):
        split(clips)


def without_labels(clips: list[Clip], *names: str) -> list[Clip]:
    """The clips, of which those whose names start so have no label."""
    return [replace(clip, label="" if clip.clip_id.startswith(names) else clip.label) for clip in clips]


def test_clips_without_labels_are_split_by_the_fractions_of_a_class() -> None:
    clips = split(without_labels(make_clips(1, 40), "c0"), test_fraction=0.25, validation_fraction=0.2)
    assert Counter(clip.split for clip in clips) == {"test": 10, "validation": 6, "train": 24}


def test_one_or_two_clips_without_a_label_among_others_are_trained_on() -> None:
    clips = split(without_labels(make_clips(2, 12), "c0/000", "c1/003"))
    assert {clip.split for clip in clips if not clip.label} == {"train"}
    assert {clip.split for clip in clips if clip.label} == set(SPLITS)


def test_too_few_clips_without_labels_are_told_so() -> None:
    with pytest.raises(DataError, match=r"1 of 1 classes are too small to be split: no label has 2"):
        split(without_labels(make_clips(1, 2), "c0"))
