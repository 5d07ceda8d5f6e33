"""Source ``demo``: small MP4 files in which what is seen and what is heard share a class, and more where asked for.

Their bytes are equal on every x86-64 processor with AVX2. The last bits of a sine are not, so shapes and sounds are
drawn in double precision, whose rounding is lost on the way to 8 bits a colour and 16 bits a sample.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline import video
from pipeline.dataset.base import LABELS_OF_SOURCE, DatasetParams, Found
from pipeline.dataset.demo.draws import NUISANCES, Draws
from pipeline.dataset.demo.labels import some_of
from pipeline.dataset.demo.pictures import make_pictures
from pipeline.dataset.demo.sounds import SOUNDS, make_sound
from pipeline.dataset.layouts.locations import refuse_path, refuse_protocol
from pipeline.dataset.splits import assign_splits
from pipeline.errors import ParamsError
from pipeline.formats.clips import Clip
from pipeline.settings.environment import cache_folder
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.params import StageParams, load_params
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

CLASS_NAMES = tuple(SOUNDS)
MARGIN_FRACTION = 0.04
STREAMS = ("time", "sound", "picture", "common", "labels")
UnitFraction = Annotated[float, Field(ge=0, le=1)]


class DemoParams(StageParams):
    """Section ``demo`` of params.yaml.

    Attributes:
        shared_within_class: share of each nuisance of ``NUISANCES`` that sound and picture take from one draw.
        labelled_fraction: of each class's train clips, those that keep their label; at least one does, unless it is 0.
        wrong_labels: of these, those whose label is drawn anew from all classes.
    """

    seed: NonNegativeInt
    n_classes: Annotated[int, Field(ge=2, le=len(CLASS_NAMES))]
    clips_per_class: PositiveInt
    min_seconds: Annotated[float, Field(ge=0.5)]
    max_seconds: PositiveFloat
    picture_size: Annotated[int, Field(ge=32, multiple_of=2)]
    frames_per_second: PositiveInt
    sample_rate: Annotated[int, Field(ge=16000)]
    difficulty: UnitFraction
    shared_within_class: UnitFraction
    labelled_fraction: UnitFraction
    wrong_labels: UnitFraction

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

    Where labels are hidden or redrawn, the clips have the splits that they have with their true labels.

    Raises:
        ParamsError: a path or a protocol is given, which the demo has no use for; or labels are to be hidden or redrawn
            that ``dataset.labels`` replaces.
    """
    refuse_path(params)
    refuse_protocol(params)
    demo = load_params("demo", DemoParams)
    fewer_labels = demo.labelled_fraction < 1 or demo.wrong_labels > 0
    if fewer_labels and params.labels != LABELS_OF_SOURCE:
        raise ParamsError(
            f"dataset.labels={params.labels} with demo.labelled_fraction={demo.labelled_fraction:g} and "
            f"demo.wrong_labels={demo.wrong_labels:g}, which it undoes; expected {LABELS_OF_SOURCE}, or 1 and 0"
        )
    facts = demo.model_dump(exclude={"labelled_fraction", "wrong_labels"})  # which change no file
    folder = cache_folder() / "demo" / fingerprint(facts, [__name__])
    clips = [Clip(clip_id=clip.path, **clip._asdict()) for clip in make_demo(folder, demo)]
    if fewer_labels:
        clips = _with_fewer_labels(assign_splits(clips, params), demo)
    return Found(folder, clips, [])


def make_demo(folder: AnyPath, params: DemoParams) -> list[DemoClip]:
    """Return the clips of the demo, after writing those that the folder does not hold yet.

    What sound and picture of a clip share is the class, when the event happens, and as much of each nuisance as
    ``shared_within_class`` says. A clip depends on the parameters and its own number only, so a folder serves one set
    of parameters.

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


def _with_fewer_labels(clips: list[Clip], params: DemoParams) -> list[Clip]:
    """Clips that have a split, of whose train clips some have no label or another one."""
    train = [clip for clip in clips if clip.split == "train"]
    rng = _generator(params, 0, "labels")
    labels = np.array([CLASS_NAMES.index(clip.label) for clip in train])
    left = some_of(labels, params.labelled_fraction, params.wrong_labels, rng).tolist()
    given = {clip.clip_id: (*CLASS_NAMES, "")[label] for clip, label in zip(train, left, strict=True)}
    return [replace(clip, label=given.get(clip.clip_id, clip.label)) for clip in clips]


def _generator(params: DemoParams, index: int, stream: str) -> Draws:
    """A stream of draws of its own for the time, the sound and the picture of each clip, and for all labels."""
    seed = params.seed, index, STREAMS.index(stream)
    if stream not in ("sound", "picture"):
        return Draws.of(*seed)
    scores = _generator(params, index, "common").standard_normal(len(NUISANCES)).tolist()
    of_sound = dict(zip(NUISANCES, scores, strict=True))
    of_picture = {seen: sign * of_sound[heard] for heard, (seen, sign) in NUISANCES.items()}
    common = of_sound if stream == "sound" else of_picture
    return Draws.of(*seed, common=common, shared=params.shared_within_class)


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
