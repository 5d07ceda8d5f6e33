"""Source ``demo``: small MP4 files in which what is seen and what is heard are tied by the class alone.

Their bytes are equal on every x86-64 processor with AVX2. The last bits of a sine are not, so shapes and sounds are
drawn in double precision, whose rounding is lost on the way to 8 bits a colour and 16 bits a sample.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline import video
from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.demo.pictures import make_pictures
from pipeline.dataset.demo.sounds import SOUNDS, make_sound
from pipeline.dataset.layouts.locations import refuse_path, refuse_protocol
from pipeline.formats.clips import Clip
from pipeline.settings.environment import cache_folder
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.params import StageParams, load_params
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

CLASS_NAMES = tuple(SOUNDS)
MARGIN_FRACTION = 0.04


class DemoParams(StageParams):
    """Section ``demo`` of params.yaml."""

    seed: NonNegativeInt
    n_classes: Annotated[int, Field(ge=2, le=len(CLASS_NAMES))]
    clips_per_class: PositiveInt
    min_seconds: Annotated[float, Field(ge=0.5)]
    max_seconds: PositiveFloat
    picture_size: Annotated[int, Field(ge=32, multiple_of=2)]
    frames_per_second: PositiveInt
    sample_rate: Annotated[int, Field(ge=16000)]
    difficulty: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _lengths_are_ordered(self) -> Self:
        if self.min_seconds > self.max_seconds:
            raise ValueError(
                f"min_seconds={self.min_seconds}, max_seconds={self.max_seconds}; expected min_seconds <= max_seconds"
            )
        return self


class DemoClip(NamedTuple):
    """One clip: where it lies in the folder, its class, and when its event starts and ends."""

    path: str
    label: str
    start_seconds: float
    end_seconds: float


class _Plan(NamedTuple):
    clip: DemoClip
    clip_number: int
    n_pictures: int


def find_clips(params: DatasetParams) -> Found:
    """Return the folder of the demo in the cache and its clips, sorted; other parameters or code have another folder.

    Args:
        params: section ``dataset`` of params.yaml; what the demo is like stands in section ``demo``.

    Raises:
        ParamsError: a path or a protocol is given, which the demo has no use for.
    """
    refuse_path(params)
    refuse_protocol(params)
    demo = load_params("demo", DemoParams)
    folder = cache_folder() / "demo" / fingerprint(demo.model_dump(), [__name__])
    made = make_demo(folder, demo)
    return Found(folder, [Clip(clip_id=clip.path, **clip._asdict()) for clip in made], [])


def make_demo(folder: AnyPath, params: DemoParams) -> list[DemoClip]:
    """Return the clips of the demo, after writing those that the folder does not hold yet.

    Sound and picture of a clip are drawn apart: what they share is the class, and when the event happens. A clip
    depends on the parameters and its own number only, so a folder serves one set of parameters.

    Args:
        folder: where the clips go, as ``CLASS/CLASS_003.mp4``.
        params: section ``demo`` of params.yaml.

    Returns:
        Every clip of the demo, sorted by path.
    """
    folder = Path(folder)
    plans = [_plan(index, params) for index in range(params.n_classes * params.clips_per_class)]
    missing = [plan for plan in plans if not (folder / plan.clip.path).exists()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        writing = pool.map(lambda plan: _write_clip(folder, plan, params), missing)
        try:
            for _ in track(writing, "demo", "clip", len(missing)):
                pass
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C waits for no clip that is not begun
    return sorted(plan.clip for plan in plans)


def _plan(index: int, params: DemoParams) -> _Plan:
    """Length and event of a clip; the event fills 50 to 90 % of it and touches neither end."""
    rng = _generator(params, index, "time")
    label, number = CLASS_NAMES[index // params.clips_per_class], index % params.clips_per_class
    n_pictures = max(1, round(rng.uniform(params.min_seconds, params.max_seconds) * params.frames_per_second))
    n_seconds = n_pictures / params.frames_per_second
    fraction = rng.uniform(0.5, 0.9)
    start = rng.uniform(MARGIN_FRACTION, 1 - MARGIN_FRACTION - fraction)
    times = (round(n_seconds * part, 3) for part in (start, start + fraction))
    return _Plan(DemoClip(f"{label}/{label}_{number:03d}.mp4", label, *times), index, n_pictures)


def _generator(params: DemoParams, index: int, stream: str) -> np.random.Generator:
    """A stream of draws of its own for the time, the sound and the picture of each clip."""
    return np.random.default_rng([params.seed, index, ("time", "sound", "picture").index(stream)])


def _write_clip(folder: Path, plan: _Plan, params: DemoParams) -> None:
    """Draw and encode one clip."""
    clip, rate, difficulty = plan.clip, params.frames_per_second, params.difficulty
    draws = partial(_generator, params, plan.clip_number)
    event = clip.start_seconds, clip.end_seconds
    seconds = np.arange(plan.n_pictures) / rate
    n_samples = round(plan.n_pictures / rate * params.sample_rate)
    pictures = make_pictures(clip.label, seconds, params.picture_size, event, difficulty, draws("picture"))
    waveform = make_sound(clip.label, n_samples, params.sample_rate, event, difficulty, draws("sound"))
    (folder / clip.path).parent.mkdir(parents=True, exist_ok=True)
    video.write_mp4(folder / clip.path, pictures, rate, waveform, params.sample_rate)
