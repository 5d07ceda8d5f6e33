"""What separators make of a person who is silent, while another one is heard alone."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.separation.material import Material
from pipeline.separation.measures.intervals import over_people
from pipeline.separation.measures.scores import EvaluateSeparationParams
from pipeline.separation.mixtures import source_of
from pipeline.separation.separating import read_silence
from pipeline.settings.paths import AnyPath


def silence_of(
    names: Iterable[str], folder: AnyPath, material: Material, params: EvaluateSeparationParams
) -> dict[str, dict[str, Any]]:
    """Return by separator the level of what it makes of silent sources, in dB under the mixture's: lower is better.

    Args:
        names: of the separators.
        folder: with a folder for each, that the stage `separate` wrote.
        material: the test mixtures.
        params: section ``evaluate``.
    """
    found, clips = {}, material.clips.clips
    people_of = {one.mixture_id: [source_of(clips[part.clip_id]) for part in one.segments] for one in material.mixtures}
    for name in names:
        levels = read_silence(Path(folder) / name)
        of_mixtures = np.array([level.mean() for level in levels.values()], np.float64)
        mean, margin = over_people(of_mixtures, [people_of[one] for one in levels], params.bootstrap_draws, params.seed)
        found[name] = {"silent_target_db": mean, **margin, "n_mixtures": len(levels)}
    return found
