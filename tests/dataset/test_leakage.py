from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset.leakage import leakage_counts, leakage_warnings, untrained_warnings
from pipeline.formats.clips import SPLITS, Clip


def clip(clip_id: str, split: str, sha256: str = "", source_id: str = "") -> Clip:
    return Clip(clip_id=clip_id, path="", label="x", sha256=sha256, split=split, source_id=source_id)


LEAKY = [
    clip("a", "train", "1", "video 1"),
    clip("b", "validation", "2", "video 2"),
    clip("c", "test", "1", "video 1"),
    clip("d", "test", "3", "video 2"),
    clip("e", "test", "3"),
    clip("f", "test", "4", "video 4"),
]


def test_every_relation_is_counted_by_itself() -> None:
    assert leakage_counts(LEAKY) == {
        "test_same_clip_id": 0,
        "test_same_sha256": 1,  # c
        "test_same_source_id": 2,  # c, and d of a video in validation
        "duplicate_groups": 2,  # files 1 and 3, the latter in test alone
        "unknown_source": 1,
    }


def test_the_counts_are_those_of_comparing_every_pair() -> None:
    clips = [clip(str(i % 37), ("train", "validation", "test")[i % 3], str(i * 7 % 23)) for i in range(60)]
    pairs = [(one, other) for one in clips for other in clips if one.split == "test" != other.split]
    for key in ("clip_id", "sha256"):
        same = {id(one) for one, other in pairs if getattr(one, key) == getattr(other, key)}
        assert leakage_counts(clips)[f"test_same_{key}"] == len(same) > 0


few = st.sampled_from(["", "1", "2", "3", "4"])
any_clips = st.lists(st.builds(clip, few.filter(bool), st.sampled_from(SPLITS), few, few), max_size=12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(any_clips)
def test_the_counts_are_those_of_a_naive_double_loop(clips: list[Clip]) -> None:
    counts = leakage_counts(clips)
    for key in ("clip_id", "sha256", "source_id"):
        leaking = 0
        for one in clips:
            others = [getattr(other, key) for other in clips if other.split != "test"]
            leaking += one.split == "test" and getattr(one, key) != "" and getattr(one, key) in others
        assert counts[f"test_same_{key}"] == leaking
        assert any(f"{leaking} test clips share their {key} with" in line for line in leakage_warnings(clips)) == (
            leaking > 0
        )
    hashes = [one.sha256 for one in clips if one.sha256]
    assert counts["duplicate_groups"] == len({one for one in hashes if hashes.count(one) > 1})
    assert counts["unknown_source"] == [one.source_id for one in clips].count("")


def test_the_warning_names_the_first_few() -> None:
    names = [f"t{i}" for i in range(5)]
    clips = [clip("a", "train", source_id="v"), *(clip(name, "test", source_id="v") for name in names)]
    (line,) = leakage_warnings(clips)
    assert "LEAKAGE: 5 test clips share their source_id" in line
    assert "such as 't0', 't1', 't2': scores" in line


def test_what_is_unknown_leaks_nothing() -> None:
    clips = [clip("a", "train"), clip("b", "test")]
    assert leakage_warnings(clips) == []
    assert leakage_counts(clips)["duplicate_groups"] == 0


@pytest.mark.parametrize("splits", list(pairwise(["train", "validation", "train"])))
def test_train_and_validation_may_be_compared_freely(splits: tuple[str, str]) -> None:
    assert leakage_warnings([clip("a", splits[0], "1"), clip("b", splits[1], "1"), clip("c", "test", "2")]) == []


def test_a_class_that_is_tested_but_not_trained_is_named() -> None:
    clips = [replace(clip(name, name), label=label) for name, label in (("train", "cat"), ("validation", "dog"))]
    tested = [replace(clip(label, "test"), label=label) for label in ("cat", "dog", "rain")]
    (line,) = untrained_warnings([*clips, *tested])
    assert line.startswith("UNTRAINED CLASSES: 2 of the test split, such as 'dog', 'rain'")
    assert untrained_warnings([*clips, tested[0]]) == []
