"""Separators whose sounds are known, and a project with a saved separator, for tests of what users take apart."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import nn

from pipeline.separation.heard import Facts, facts_of
from pipeline.separation.parts.base import View, separator_module
from pipeline.separation.sounds import SoundsParams
from pipeline.separation.views import ViewsParams
from tests.helpers.separation import SMALL, separation_params

FACTS = Facts(8000, 25.0, 16, 16)
VIEWS = ViewsParams(mouth_fps=25, mouth_size=16, face_size=16, faces_per_second=1, allow_low_rate=False, tracks=None)


class Brightness:
    """A separator whose sounds are the mixture times how bright the first picture of a mouth is."""

    uses_views: ClassVar[bool] = True
    fewest_views: ClassVar[int] = 1
    facts = FACTS

    def __init__(self) -> None:
        self.n_seen: list[tuple[int, int]] = []

    def separate(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        self.n_seen.append((len(mixture), len(views[0].mouth)))
        return np.stack([mixture * np.float32(view.mouth[0].mean() / 255) for view in views])


class Blind:
    """One that sees nothing and gives a half and a negative half of the mixture, in another order every time."""

    uses_views: ClassVar[bool] = False
    fewest_views: ClassVar[int] = 0
    facts = FACTS
    n_calls = 0

    def separate(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        self.n_calls += 1
        return np.stack([mixture / 2, -mixture / 2])[:: (-1) ** self.n_calls]


def project_with(folder: Path, name: str = "visualvoice", task: str = "speech", **changes: Any) -> Path:  # noqa: ANN401 - a section each
    """A folder in which `avr separate` finds an untrained separator, of the sizes that the task has but for changes."""
    place = folder / "separation" / task
    (place / "data/separators" / name).mkdir(parents=True)
    params, trained = separation_params({**SMALL, **changes}, task), separation_params(SMALL, task)
    (place / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    module = separator_module(name)
    separator = module.Separator(module.Params.model_validate(trained[name]), 0)
    separator.facts = facts_of(SoundsParams(**trained["sounds"]), ViewsParams(**trained["views"]))
    if name == "audio_only":  # which learns from its data of how many sources mixtures are
        separator._make(2, separator.facts)
    _heed_views(part for part in vars(separator).values() if isinstance(part, nn.Module))
    separator.save(place / "data/separators" / name / "seed-0.safetensors")
    return folder


def _heed_views(networks: Iterable[nn.Module]) -> None:
    """Give networks larger random weights: of those that trainings begin with, no bit depends on what is seen."""
    torch.manual_seed(0)
    for weights in (weights for network in networks for weights in network.parameters() if weights.dim() > 1):
        nn.init.kaiming_normal_(weights)
