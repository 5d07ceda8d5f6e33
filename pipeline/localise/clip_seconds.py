"""The test clips whose event times are known, second by second: features as models see them, but not averaged."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.features.clip_vectors import FeaturesParams, modality_features
from pipeline.features.clip_windows import read_clip_vectors
from pipeline.features.pca import Pca
from pipeline.features.vector_times import end_of, middles
from pipeline.formats.clips import Clip
from pipeline.formats.shards import Arrays
from pipeline.localise.sliding import event_segments, paired_segments
from pipeline.network_parts.base import Modality
from pipeline.settings.paths import AnyPath

MODALITIES: tuple[Modality, ...] = ("audio", "visual")


class Seconds(NamedTuple):
    """A clip second by second, and its event within the seconds.

    A second is a picture and the sound around it; with another ``frames.frames_per_second`` than 1 it is longer or
    shorter.

    Attributes:
        audio: (n_seconds, width) float32 features.
        visual: (n_seconds, width) float32 features of the same seconds.
        label: name of the class; empty where it is not known.
        start: first second of the event.
        length: how many seconds it lasts, at least 1.
    """

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    label: str
    start: int
    length: int

    @property
    def can_be_located(self) -> bool:
        """Whether the event leaves another place to slide to."""
        return self.length < len(self.audio)


def read_seconds(
    clips: Iterable[Clip], folders: Mapping[Modality, AnyPath], params: FeaturesParams, fitted: Pca
) -> list[Seconds]:
    """Return every test clip whose event covers at least one of its seconds, in the order of their names.

    Args:
        clips: of the run; those without event times, and those that a stage refused, are passed over.
        folders: what the stage `network` wrote, by modality.
        params: section ``features``.
        fitted: the PCA of the run.

    Raises:
        DataError: a file is damaged.
    """
    known = sorted(
        (clip for clip in clips if clip.split == "test" and clip.start_seconds is not None),
        key=lambda clip: clip.clip_id,
    )
    sounds, pictures = (
        {clip.clip_id: arrays for clip, arrays in read_clip_vectors(folders[modality], modality, known)}
        for modality in MODALITIES
    )
    both = [clip for clip in known if clip.clip_id in sounds and clip.clip_id in pictures]
    found = (_seconds(clip, sounds[clip.clip_id], pictures[clip.clip_id], params, fitted) for clip in both)
    return [seconds for seconds in found if seconds is not None]


def _seconds(clip: Clip, sound: Arrays, pictures: Arrays, params: FeaturesParams, fitted: Pca) -> Seconds | None:
    """One clip, if its event covers a second; an event without an end goes on to the last one."""
    example_seconds = middles("audio", sound["seconds"])
    half_example = end_of("audio", sound["seconds"]) - example_seconds[-1]
    examples, frames = paired_segments(example_seconds, pictures["seconds"], half_example)
    end_seconds = np.inf if clip.end_seconds is None else clip.end_seconds
    start, length = event_segments(pictures["seconds"][frames], clip.start_seconds or 0.0, end_seconds)
    if not length:
        return None
    return Seconds(
        modality_features("audio", sound["embeddings"][examples], params, fitted),
        modality_features("visual", pictures["embeddings"][frames], params, fitted),
        clip.label,
        start,
        length,
    )
