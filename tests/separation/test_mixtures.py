from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.separation.drawing import draw_mixtures
from pipeline.separation.mixtures import (
    MIXED_PEAK,
    Mixture,
    MixturesParams,
    Segment,
    active_fraction,
    gains_of,
    read_mixtures,
    write_mixtures,
)

RATE = 1000


def params(**changes: object) -> MixturesParams:
    usual = {
        "seed": 0,
        "n_sources": 2,
        "kinds": {"any": 1.0},
        "n_validation": 5,
        "n_test": 40,
        "seconds": 1.0,
        "snr_db": [-5, 5],
        "silent_fraction": 0.1,
    }
    return MixturesParams.model_validate(usual | changes)


def clips_of(n_people: int, split: str = "test") -> list[Clip]:
    """Two clips of each person; every other person plays, the others speak."""
    return [
        Clip(clip_id=f"{split}-{k}-{j}", path="", label="play" if k % 2 else "speak", split=split, source_id=f"p{k}")
        for k in range(n_people)
        for j in range(2)
    ]


def sound_of(clip_id: str) -> NDArray[np.float32]:
    """A sound of its own for each clip, 1.5 s long."""
    return np.random.default_rng(list(clip_id.encode())).uniform(-0.5, 0.5, 1500).astype(np.float32)


@pytest.mark.parametrize("n_sources", [2, 3])
def test_no_two_sources_of_a_mixture_are_of_one_person(n_sources: int) -> None:
    drawn = draw_mixtures("test", clips_of(4), sound_of, RATE, params(n_sources=n_sources))
    assert len(drawn.mixtures) == 40
    for mixture in drawn.mixtures:
        people = {part.clip_id.split("-")[1] for part in mixture.segments}
        assert len(people) == len(mixture.segments) == n_sources


@pytest.mark.parametrize(("kind", "n_labels"), [("same_label", 1), ("different_label", 2)])
def test_a_kind_says_whether_labels_are_shared(kind: str, n_labels: int) -> None:
    labels = {clip.clip_id: clip.label for clip in clips_of(6)}
    for mixture in draw_mixtures("test", clips_of(6), sound_of, RATE, params(kinds={kind: 1.0})).mixtures:
        assert len({labels[part.clip_id] for part in mixture.segments}) == n_labels


def test_kinds_come_as_often_as_they_are_asked_for() -> None:
    kinds = {"same_label": 0.25, "different_label": 0.75}
    mixtures = draw_mixtures("test", clips_of(6), sound_of, RATE, params(kinds=kinds, n_test=400)).mixtures
    assert 70 <= sum(mixture.kind == "same_label" for mixture in mixtures) <= 130


def test_the_list_of_a_split_does_not_change_with_the_clips_of_another_or_with_their_order() -> None:
    test, more = clips_of(4), clips_of(5, "validation")
    drawn = draw_mixtures("test", test, sound_of, RATE, params())
    assert drawn == draw_mixtures("test", list(reversed(test)), sound_of, RATE, params())
    assert drawn != draw_mixtures("test", test, sound_of, RATE, params(seed=1))
    assert draw_mixtures("validation", more, sound_of, RATE, params()).mixtures[0].split == "validation"


def test_the_first_source_is_louder_by_what_is_drawn_and_the_peak_has_a_limit() -> None:
    sounds = np.stack(
        [np.sin(np.arange(2000) / 7), 0.1 * np.sin(np.arange(2000) / 11), 30 * np.sin(np.arange(2000) / 3)]
    )
    gains = gains_of(sounds, (3.0, 3.0), np.random.default_rng(0))
    levels_db = 20 * np.log10(np.sqrt(np.square(gains[:, None] * sounds).mean(axis=1)))
    np.testing.assert_allclose(levels_db[0] - levels_db[1:], [3.0, 3.0], atol=1e-9)
    click = np.zeros((2, 2000))
    click[0, 5] = click[1, 5] = 1.0
    assert np.abs(gains_of(click, (0.0, 0.0), np.random.default_rng(0)) @ click).max() == pytest.approx(MIXED_PEAK)


def test_drawn_ratios_fill_their_range() -> None:
    rng = np.random.default_rng(0)
    sounds = np.random.default_rng(1).normal(size=(2, 500))
    levels = np.sqrt(np.square(sounds).mean(axis=1))
    ratios = [
        20 * np.log10(gains[0] * levels[0] / (gains[1] * levels[1]))
        for gains in (gains_of(sounds, (-5, 5), rng) for _ in range(200))
    ]
    assert -5 <= min(ratios) < -4.5
    assert 4.5 < max(ratios) <= 5


def test_active_is_what_is_above_40_db_below_the_peak() -> None:
    sound = np.r_[np.full(250, 0.5), np.full(750, 0.0049)]
    assert active_fraction(sound, 0.5, RATE) == pytest.approx(0.25, abs=0.02)
    assert active_fraction(2 * sound, 0.5, RATE) == pytest.approx(1.0)


def test_quiet_segments_are_drawn_again_and_counted() -> None:
    def half_silent(clip_id: str) -> NDArray[np.float32]:
        sound = np.zeros(3000, np.float32)
        sound[:1000] = sound_of(clip_id)[:1000]
        return sound

    drawn = draw_mixtures("test", clips_of(4), half_silent, RATE, params())
    assert drawn.n_quiet > 10
    for mixture in drawn.mixtures:
        for part in mixture.segments:
            start = round(part.start_seconds * RATE)
            assert active_fraction(half_silent(part.clip_id)[start : start + 1000], 0.5, RATE) >= 0.3


@pytest.mark.parametrize(
    ("clips", "changes", "message"),
    [
        (clips_of(1), {}, r"split 'test': 2 clips of 1 sources \(source_id\); expected at least 2 sources to mix"),
        (clips_of(2), {"kinds": {"same_label": 1.0}}, "split 'test': no 2 clips of kind 'same_label' among 4"),
    ],
)
def test_what_cannot_be_mixed_is_refused(clips: list[Clip], changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw_mixtures("test", clips, sound_of, RATE, params(**changes))


def test_clips_without_sound_are_refused() -> None:
    with pytest.raises(DataError, match="split 'test': 100 draws with a source that is quiet for more than 70% of the"):
        draw_mixtures("test", clips_of(2), lambda _: np.r_[1, np.zeros(1999)].astype(np.float32), RATE, params())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kinds": {"any": 0.5}}, "0.5 in all; expected fractions that sum to 1"),
        ({"snr_db": [5, -5]}, r"\[5.0, -5.0\]; expected the lower one first"),
        ({"n_sources": 4}, "less than or equal to 3"),
    ],
)
def test_params_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        params(**changes)


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    mixtures = draw_mixtures("test", clips_of(4), sound_of, RATE, params(n_sources=3)).mixtures
    write_mixtures(tmp_path / "mixtures.csv", mixtures)
    assert read_mixtures(tmp_path / "mixtures.csv") == mixtures


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    write_mixtures(tmp_path / "m.csv", [Mixture("test-1", "test", "any", 1.0, (Segment("a", 0.0, 1.0),))])
    (tmp_path / "m.csv").write_text((tmp_path / "m.csv").read_text().replace("0.0", "soon"))
    with pytest.raises(DataError, match=r"m.csv: mixture 'test-1': could not convert .*'soon'; expected numbers"):
        read_mixtures(tmp_path / "m.csv")
