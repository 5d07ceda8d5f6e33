"""Every separator learns on a GPU, one in pretence: no step mixes devices, and the numbers are those of a CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.separation.drawing import draw_mixtures
from pipeline.separation.heard import HeardClips
from pipeline.separation.material import Material, TrainingStream
from pipeline.separation.mixtures import MixturesParams
from pipeline.separation.parts.base import separator_module, separator_names
from pipeline.separation.separating import views_of
from tests.helpers.pretended_gpu import pretended_gpu
from tests.helpers.separation import SMALL, committed_section
from tests.helpers.talkers import FACTS, talking_clips

MIXTURES = MixturesParams(
    seed=0, n_sources=2, kinds={"any": 1.0}, n_validation=2, n_test=2, seconds=1.5, snr_db=(-5, 5), silent_fraction=0.1
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> HeardClips:
    return talking_clips(tmp_path_factory.mktemp("talking"))


def unfitted(name: str) -> Any:  # noqa: ANN401 - each separator has its class
    module = separator_module(name)
    return module.Separator(module.Params.model_validate(committed_section(name) | SMALL[name] | {"steps": 2}), 0)


@pytest.mark.parametrize("name", separator_names())
def test_a_fit_on_a_gpu_is_that_on_a_cpu(name: str, clips: HeardClips, tmp_path: Path) -> None:
    drawn = draw_mixtures("validation", clips.of_split("train"), clips.sound, FACTS.rate, MIXTURES)
    validation, stream = Material(clips, drawn.mixtures), TrainingStream(clips, MIXTURES)
    mixture, views = clips.sound("p0/0.mp4", 0, 6000), views_of(validation, validation.mixtures[0])
    with pretended_gpu():
        on_gpu = unfitted(name)
        history = on_gpu.fit(stream, validation)
        sounds = on_gpu.separate(mixture, views)
        on_gpu.save(tmp_path / "separator.safetensors")
    for look, expected in zip(history, unfitted(name).fit(stream, validation), strict=True):
        assert look == pytest.approx(expected, rel=1e-4)
    loaded = type(on_gpu).load(tmp_path / "separator.safetensors")
    np.testing.assert_allclose(sounds, loaded.separate(mixture, views), atol=1e-5)
