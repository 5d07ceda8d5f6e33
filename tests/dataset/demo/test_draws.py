"""What sound and picture of a demo's clip share beyond its class: measured on the values that are drawn."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest, norm

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
    """Uniform draws (n, 4) of sounds, and of pictures in the same direction."""
    params, sounds, pictures = small(shared_within_class=shared), [], []
    for index in range(n):
        sound, picture = (_generator(params, index, of) for of in ("sound", "picture"))
        sounds.append([sound.named_uniform(name, 0, 1) for name in NUISANCES])
        drawn = [(picture.named_uniform(name, 0, 1), sign) for name, sign in NUISANCES.values()]
        pictures.append([place if sign > 0 else 1 - place for place, sign in drawn])
    return np.array(sounds), np.array(pictures)


def test_without_a_share_the_clips_are_those_that_the_demo_had_before_there_was_one(tmp_path: Path) -> None:
    make_demo(tmp_path, small(n_classes=10, clips_per_class=1))
    of_all = hashlib.sha256(b"".join(content for _, content in sorted(contents(tmp_path).items())))
    assert of_all.hexdigest() == TEN_CLIPS


@pytest.mark.parametrize("label", CLASS_NAMES)
def test_every_kind_of_sound_and_picture_draws_each_nuisance_once(label: str) -> None:
    sound, picture = drawn_of(label, 0, 0.5)
    assert sound.keys() == NUISANCES.keys()
    assert picture.keys() == {name for name, _ in NUISANCES.values()}


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_sound_and_picture_share_none_half_or_all_of_their_nuisances(shared: float) -> None:
    sounds, pictures = (norm.ppf(places) for places in columns(shared, 400))
    found = np.corrcoef(sounds.T, pictures.T)[: len(NUISANCES), len(NUISANCES) :]
    np.testing.assert_allclose(found, shared * np.eye(len(NUISANCES)), atol=0.17)  # standard errors are 0.05
    if shared == 1:
        np.testing.assert_allclose(sounds, pictures, atol=1e-6)


@pytest.mark.parametrize("shared", [0.0, 0.3, 1.0])
def test_a_share_does_not_change_how_one_modality_is_distributed(shared: float) -> None:
    for modality in columns(shared, 400):
        for places in modality.T:
            assert kstest(places, "uniform").pvalue > 0.001
    sizes = [_generator(small(shared_within_class=shared), i, "picture").named_normal("size", 2.0) for i in range(400)]
    assert kstest(sizes, norm(0, 2).cdf).pvalue > 0.001


def test_the_thing_that_is_far_away_shares_nothing() -> None:
    common = dict.fromkeys(["tempo"], 2.0)
    draws, alone = Draws.of(3, common=common, shared=1.0), np.random.default_rng(3)
    assert draws.apart().named_uniform("tempo", 1, 2) == alone.uniform(1, 2)
    assert draws.named_uniform("tempo", 0, 1) == pytest.approx(0.97725, abs=1e-5)  # of a normal score of 2
