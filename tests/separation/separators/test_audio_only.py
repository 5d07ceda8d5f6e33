from pathlib import Path

import numpy as np
import torch

from pipeline.separation.separators.audio_only import AudioOnly
from tests.helpers.talkers import FACTS
from tests.separation.separators.test_contract import params_of


def test_three_sources_have_three_masks(tmp_path: Path) -> None:
    separator = AudioOnly(params_of("audio_only"), 0)
    separator._make(3, FACTS)
    separator.network.eval()
    assert separator.separate(np.random.default_rng(0).normal(size=9000).astype(np.float32), []).shape == (3, 9000)
    separator.save(tmp_path / "file")
    assert AudioOnly.load(tmp_path / "file").separate(np.ones(9000, np.float32), []).shape == (3, 9000)


def test_the_order_of_the_sources_does_not_change_the_loss() -> None:
    separator = AudioOnly(params_of("audio_only"), 0)
    separator._make(2, FACTS)
    separator.network.eval()
    sources = torch.randn(4, 2, separator.params.n_samples, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(separator._loss(sources), separator._loss(sources.flip(1)))
