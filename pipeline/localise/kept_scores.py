"""What models get on the events, kept where finished clips are: another run measures those that have changed."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.clip_jobs.cache import ClipCache
from pipeline.errors import DataError
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import arrays_sha256
from pipeline.localise.clip_seconds import Seconds
from pipeline.localise.scores import EventScores
from pipeline.settings.environment import finished_clips
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.paths import AnyPath

SCORES = "scores"


class ModelScores(NamedTuple):
    """What a model gets, means over its seeds.

    Attributes:
        cosine: by the cosine of its embeddings.
        own: by its authors' own distance, by the name of its shares; empty where it has none.
    """

    cosine: EventScores
    own: dict[str, EventScores]


class KeptScores:
    """Scores of models on one set of clips, measured once.

    Args:
        clips: the test clips with an event.
    """

    def __init__(self, clips: Sequence[Seconds]) -> None:
        self._kept, self._clips = ClipCache(finished_clips("localise"), ""), _clips_sha256(clips)

    def of(self, name: str, folder: AnyPath, measure: Callable[[], ModelScores]) -> ModelScores:
        """Return what a model gets: what is kept of these fits, or what is measured, which is kept now.

        Args:
            name: of the model.
            folder: of its fits.
            measure: returns its scores.

        Raises:
            DiskError: the cache cannot be written.
        """
        fits = {file.name: file_sha256(file) for file in sorted(Path(folder).glob("*.safetensors"))}
        facts = {"model": name, "fits": fits, "clips": self._clips}
        key = fingerprint(facts, ["pipeline.localise.results", f"pipeline.models.{name}"])
        if (found := self._read(key)) is not None:
            return found
        measured = measure()
        self._kept.write(key, {SCORES: np.frombuffer(json.dumps(measured).encode(), np.uint8)})
        return measured

    def _read(self, key: str) -> ModelScores | None:
        """What is kept; None: nothing, or something damaged."""
        if self._kept.look_up(key, key).state != "done":
            return None
        try:
            return ModelScores(*json.loads(self._kept.read(key, key)[SCORES].tobytes()))
        except DataError:
            return None


def _clips_sha256(clips: Sequence[Seconds]) -> str:
    """Hash of all that the scores depend on of the clips."""
    whole = hashlib.sha256()
    for clip in clips:
        features = arrays_sha256({"audio": clip.audio, "visual": clip.visual})
        whole.update(json.dumps([features, clip.label, clip.start, clip.length]).encode())
    return whole.hexdigest()
