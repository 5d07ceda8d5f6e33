"""A separator that cannot learn two mixtures by heart has a bug: in its masks, its losses, its steps or its windows."""

import numpy as np
import pytest

from pipeline.separation.heard import HeardClips
from pipeline.separation.material import Material, TrainingBatch, TrainingStream
from pipeline.separation.measures.bss import best_order, si_sdr
from pipeline.separation.parts.base import Separator, View, separator_module
from pipeline.separation.parts.learning import fixed_batches
from tests.separation.separators.test_contract import MIXTURES, clips, every_separator, params_of, validation

__all__ = ["clips", "validation"]  # fixtures
LEARNT = {"loss": "signal", "steps": 200, "ngf": 8, "lip_width": 32, "face_width": 16}
LEAST_DB = 5.0


class OneBatch(TrainingStream):
    """The same mixtures in every step."""

    def __init__(self, clips: HeardClips, mixtures: TrainingBatch) -> None:
        super().__init__(clips, MIXTURES)
        self.mixtures = mixtures

    def batch(self, n_mixtures: int, n_samples: int, rng: np.random.Generator) -> TrainingBatch:
        return self.mixtures

    def couples(self, n_couples: int, n_samples: int, rng: np.random.Generator) -> TrainingBatch:
        return self.mixtures


def improvement(separator: Separator, mixtures: TrainingBatch) -> float:
    """Mean SI-SDR over that of the mixture, dB; in the best order where nothing is seen."""
    gained = []
    for sources, mouths, faces, frames in zip(*mixtures[:4], strict=True):
        whole = sources.sum(axis=0)
        estimates = separator.separate(
            whole, [View(*view) for view in zip(mouths, faces[:, None], frames, strict=True)]
        )
        if not separator.uses_views:
            estimates = estimates[list(best_order(sources, estimates))]
        gained.append(si_sdr(sources, estimates) - si_sdr(sources, np.stack([whole] * len(sources))))
    return float(np.mean(gained))


@pytest.mark.slow
@every_separator
def test_two_mixtures_are_learnt_by_heart(name: str, clips: HeardClips, validation: Material) -> None:
    known = separator_module(name).Params.model_fields
    params = params_of(name, **{key: value for key, value in LEARNT.items() if key in known})
    (mixtures,) = fixed_batches(validation, params.n_samples)
    separator = separator_module(name).Separator(params, 0)
    separator.fit(OneBatch(clips, mixtures), validation)
    assert improvement(separator, mixtures) > LEAST_DB
