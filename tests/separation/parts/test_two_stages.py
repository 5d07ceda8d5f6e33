import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pipeline.separation.parts.motion import MotionFilm
from pipeline.separation.parts.two_stages import Heard, TwoStages, mask_loss, seen_at
from tests.separation.separators.test_contract import params_of


def test_the_loss_is_the_weighted_cross_entropy_of_who_is_loudest() -> None:
    rng = np.random.default_rng(0)
    sources, logits = rng.uniform(0, 20, (2, 3, 4, 5)), rng.normal(size=(2, 3, 4, 5))
    mixture = rng.uniform(0, 20, (2, 4, 5))
    total = 0.0
    for b, s, r, c in np.ndindex(2, 3, 4, 5):
        mask = 1 / (1 + np.exp(-logits[b, s, r, c]))
        is_loudest = sources[b, s, r, c] == sources[b, :, r, c].max()
        weight = min(max(np.log(1 + mixture[b, r, c]), 1e-3), 10)
        total += -weight * np.log(mask if is_loudest else 1 - mask)
    heard = Heard(torch.from_numpy(mixture), torch.from_numpy(sources))
    assert float(mask_loss(heard, torch.from_numpy(logits))) == pytest.approx(total / logits.size)


def test_sources_are_heard_at_the_level_of_training_whatever_theirs_is() -> None:
    networks = TwoStages(params_of("amnet"))
    sources = np.random.default_rng(0).normal(size=(2, 2, networks.params.n_samples)).astype(np.float32)
    quiet, loud = networks.heard(0.01 * sources), networks.heard(sources)
    assert quiet.sources.shape == (2, 2, networks.params.rows, networks.params.columns)
    torch.testing.assert_close(quiet.mixture, loud.mixture, rtol=1e-4, atol=1e-4)


def test_the_picture_of_a_window_is_that_of_its_middle() -> None:
    frames = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    seen = seen_at([frames, frames], [MotionFilm(torch.zeros(40, 3), 5.0)] * 2, 1.0, 2.0)
    assert seen.pictures[0, :, 0, 0, 0].tolist() == [16, 16]
    assert seen.tokens.shape == (1, 2, 16, 3)
    assert seen_at([frames], [MotionFilm(torch.zeros(40, 3), 5.0)], 4.5, 2.0).pictures[0, 0, 0, 0, 0] == 39


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 48}, "rows=48; expected a power of two from 8"),
        ({"hop": 2000}, "hop=2000, window=1022, fft=1022; expected hop <= window <= fft"),
        ({"ame_shift_seconds": [3, 1]}, r"ame_shift_seconds=\[3.0, 1.0\]; expected the lower one first"),
        ({"columns": 30}, "multiple of 4"),
        ({"fusion": "sum"}, "aligned"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        params_of("amnet", **changes)
