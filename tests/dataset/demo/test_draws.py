"""What sound and picture of a demo's clip share beyond its class: measured on the values that are drawn."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest, spearmanr

from pipeline.dataset.demo.draws import NUISANCES, Draws
from pipeline.dataset.demo.pictures import make_pictures
from pipeline.dataset.demo.sounds import make_sound
from pipeline.dataset.sources.demo import CLASS_NAMES, _generator, make_demo
from tests.dataset.demo.test_demo import EVENT, contents, small

TEN_CLIPS = "d38192434f5701face58459feee4e675f0c2551f623eaacde2c2bb922f45fcfb"


class Recorder(Draws):
    """Draws that note the place of each named one between its bounds, or its normal score."""

    def __init__(self, draws: Draws) -> None:
        super().__init__(draws.bit_generator, draws._common, draws._shared)
        self.drawn: dict[str, float] = {}

    def named_uniform(self, name: str, low: float, high: float) -> float:
        assert name not in self.drawn
        drawn = super().named_uniform(name, low, high)
        self.drawn[name] = (drawn - low) / (high - low)
        return drawn

    def named_normal(self, name: str, deviation: float) -> float:
        assert name not in self.drawn
        drawn = super().named_normal(name, deviation)
        self.drawn[name] = drawn / deviation
        return drawn


def drawn_of(label: str, index: int, shared: float) -> tuple[dict[str, float], dict[str, float]]:
    """What a clip's sound and its picture drew, by name."""
    sound, picture = (Recorder(_generator(small(shared_within_class=shared), index, of)) for of in ("sound", "picture"))
    make_sound(label, 24000, 16000, EVENT, 0.5, sound)
    make_pictures(label, np.array([0.0, 1.0]), 32, EVENT, 0.5, picture)
    return sound.drawn, picture.drawn


def columns(shared: float, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The draws (n, 4) of sounds, and of pictures in the same direction."""
    drawn = [drawn_of("waves", index, shared) for index in range(n)]
    sounds = np.array([[sound[name] for name in NUISANCES] for sound, _ in drawn])
    pictures = np.array([[sign * picture[name] for name, sign in NUISANCES.values()] for _, picture in drawn])
    return sounds, pictures


def test_without_a_share_the_clips_are_those_that_the_demo_had_before_there_was_one(tmp_path: Path) -> None:
    make_demo(tmp_path, small(n_classes=10, clips_per_class=1))
    of_all = hashlib.sha256(b"".join(content for _, content in sorted(contents(tmp_path).items())))
    assert of_all.hexdigest() == TEN_CLIPS


@pytest.mark.parametrize("label", CLASS_NAMES)
def test_every_kind_of_sound_and_picture_draws_each_nuisance_once(label: str) -> None:
    sound, picture = drawn_of(label, 0, 0.5)
    assert sound.keys() == NUISANCES.keys()
    assert picture.keys() == {name for name, _ in NUISANCES.values()}


def test_sound_and_picture_share_none_half_or_all_of_their_nuisances() -> None:
    n, diagonal = 120, range(len(NUISANCES))
    for shared, expected in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)):
        found = spearmanr(*columns(shared, n)).statistic[: len(NUISANCES), len(NUISANCES) :]
        np.testing.assert_allclose(found[diagonal, diagonal], expected, atol=0.25)  # three standard errors at 0
        others = found[~np.eye(len(NUISANCES), dtype=bool)]
        assert np.abs(others).max() < 0.35
        assert (found[diagonal, diagonal] > 0.9999).all() == (shared == 1)


def test_a_share_does_not_change_what_is_drawn_of_one_modality() -> None:
    for shared in (0.0, 0.3, 1.0):
        sounds, pictures = columns(shared, 120)
        for place, (_, sign) in enumerate(NUISANCES.values()):
            assert kstest(sounds[:, place], "uniform").pvalue > 0.001
            law = ("norm",) if place == 1 else ("uniform", (min(sign, 0), 1))
            assert kstest(pictures[:, place], *law).pvalue > 0.001


def test_the_thing_that_is_far_away_shares_nothing() -> None:
    common = dict.fromkeys(["tempo"], 2.0)
    draws, alone = Draws.of(3, common=common, shared=1.0), np.random.default_rng(3)
    assert draws.apart().named_uniform("tempo", 1, 2) == alone.uniform(1, 2)
    assert draws.named_uniform("tempo", 0, 1) == pytest.approx(0.97725, abs=1e-5)  # of a normal score of 2
