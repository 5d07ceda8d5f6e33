"""A film that ends before its sound: the last picture stays for 0.2 s, then the clip is over."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.separation.heard import HeardClips
from pipeline.separation.material import TrainingStream
from pipeline.separation.mixture_lists import make_lists
from pipeline.separation.mixtures import MixturesParams
from tests.separation.test_material import FACTS, RATE, SECONDS, clips_in

EARLY, HARDLY = "p0/0.mp4", "p1/1.mp4"
PARAMS = MixturesParams(
    seed=0, n_sources=2, kinds={"any": 1.0}, n_validation=9, n_test=9, seconds=2.0, snr_db=(-5, 5), silent_fraction=0.0
)


def for_mixing(folder: Path, film_seconds: dict[str, float], shortest_seconds: float = 0.0) -> HeardClips:
    """Two clips of each of four people, two of them in validation and two in test."""
    found = clips_in(folder, film_seconds=film_seconds).clips.values()
    clips = [replace(clip, split="validation" if clip.source_id in {"p0", "p1"} else "test") for clip in found]
    return HeardClips(clips, folder / "sounds", folder / "views", FACTS, shortest_seconds)


@pytest.mark.parametrize(("film", "used"), [(1.2, 1.4), (1.76, 1.96), (1.8, 2.0), (1.92, 2.0), (2.0, 2.0)])
def test_a_clip_goes_as_far_as_its_film_and_a_fifth_of_a_second_on(film: float, used: float, tmp_path: Path) -> None:
    clips = clips_in(tmp_path, film_seconds={EARLY: film})
    assert clips.n_samples(EARLY) == len(clips.sound(EARLY)) == round(used * RATE)
    assert clips.ends(EARLY) == (SECONDS, pytest.approx(film))
    assert clips.n_samples(HARDLY) == SECONDS * RATE


def test_no_mixture_is_drawn_beyond_the_end_of_a_film(tmp_path: Path) -> None:
    clips = clips_in(tmp_path, film_seconds={f"p{k}/{j}.mp4": 1.2 for k in range(4) for j in range(2)})
    batch = TrainingStream(clips, PARAMS).batch(50, RATE, np.random.default_rng(0))
    assert batch.starts.max() <= 0.4
    last_shown = batch.mouths[..., 0, 0].max(axis=2)
    held = batch.mouths[..., 0, 0] == last_shown[:, :, None]
    assert held.sum(axis=2).max() <= 1 + 0.2 * FACTS.mouth_fps


def test_early_ends_are_counted_and_said(tmp_path: Path) -> None:
    made = make_lists(for_mixing(tmp_path, {EARLY: 1.2, HARDLY: 1.72}), "", "", PARAMS)
    assert made.counts["n_film_ends_early"] == {"shortened": 2, "too_short": 0}
    assert made.warnings == [
        "1 of 8 clips: sound and film end more than 0.5 s apart, and are used as far as both go; "
        "p0/0.mp4 has 2 s of sound, 1.2 s of film"
    ]
    assert {mixture.seconds for mixture in made.mixtures} == {1.4, 1.92, 2.0}


def test_a_clip_that_is_too_short_by_its_film_is_never_mixed(tmp_path: Path) -> None:
    clips = for_mixing(tmp_path, {EARLY: 0.5}, shortest_seconds=1.0)
    made = make_lists(clips, "", "", PARAMS)
    assert clips.too_short == [EARLY]
    assert EARLY not in {part.clip_id for mixture in made.mixtures for part in mixture.segments}
    assert made.counts["n_film_ends_early"] == {"shortened": 0, "too_short": 1}
    assert made.warnings == [
        "1 of 8 clips: sound and film end more than 0.5 s apart, and are used as far as both go (1 are left out, too "
        "short then); p0/0.mp4 has 2 s of sound, 0.48 s of film"
    ]


def test_films_that_last_are_not_spoken_of(tmp_path: Path) -> None:
    made = make_lists(for_mixing(tmp_path, {}), "", "", PARAMS)
    assert (made.warnings, made.counts["n_film_ends_early"]) == ([], {"shortened": 0, "too_short": 0})
