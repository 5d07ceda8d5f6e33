"""How well heat maps show where a clip sounds: cIoU, AUC and pointing, beside what needs no model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.formats.shards import read_shards
from pipeline.separation.boxes import SoundingBox
from pipeline.separation.heard import HeardClips
from pipeline.separation.locating import LOCATED
from pipeline.separation.measures.intervals import over_people
from pipeline.separation.measures.scores import EvaluateSeparationParams
from pipeline.separation.mixtures import source_of
from pipeline.settings.paths import AnyPath

SIZE = 56  # pixels of the maps that are compared with boxes
SUCCESS_IOU = 0.5
THRESHOLDS = np.linspace(0, 1, 21)  # of the curve of success
CHANCE = 0.5  # of telling a clip's own sound from another one

HeatMap = NDArray[np.floating[Any]]


class LocationScores(NamedTuple):
    """How well one map shows where one clip sounds.

    Attributes:
        iou: overlap of the box with as many of the hottest pixels as it has.
        pointing: 1 where the hottest pixel is in the box; the mean over all where several are.
    """

    iou: float
    pointing: float


def located(heat: HeatMap, box: SoundingBox) -> LocationScores:
    """Return the scores of a map (height, width) of any size.

    Example:
        >>> left = SoundingBox(0.0, 0.0, 0.5, 1.0)
        >>> located(np.array([[1.0, 0.0]]), left).iou, located(np.array([[0.0, 1.0]]), left).pointing
        (1.0, 0.0)
    """
    stretched, inside = stretched_to(heat, SIZE), box.mask(SIZE)
    hottest = np.zeros(SIZE * SIZE, bool)
    hottest[np.argsort(-stretched, axis=None, kind="stable")[: inside.sum()]] = True
    return LocationScores(iou(hottest.reshape(SIZE, SIZE), inside), float(inside[stretched == stretched.max()].mean()))


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the part that two sets of pixels (height, width) share of all that is in either."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def success_auc(ious: Sequence[float]) -> float:
    """Return the area under the share of clips whose overlap is a threshold at least, over thresholds from 0 to 1.

    References:
        Senocak et al. (2018), Learning to localize sound source in visual scenes, CVPR.

    Example:
        >>> round(success_auc([0.5, 0.5]), 3)
        0.525
    """
    shares = [(np.array(ious) >= threshold).mean() for threshold in THRESHOLDS]
    return float(np.trapezoid(shares, THRESHOLDS))


def stretched_to(heat: HeatMap, size: int) -> NDArray[np.float64]:
    """Return a map (size, size) of one (height, width), bilinear."""
    maps = torch.from_numpy(np.ascontiguousarray(heat, np.float64))[None, None]
    stretched = torch.nn.functional.interpolate(maps, (size, size), mode="bilinear", align_corners=False)
    return np.asarray(stretched[0, 0].numpy())


def frame_difference(frames: NDArray[np.uint8]) -> HeatMap:
    """Return how much each pixel changes from frame to frame, (size, size) of (n_frames, size, size, 3)."""
    return np.asarray(np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(axis=(0, 3)))


def centre_map() -> HeatMap:
    """Return a map (SIZE, SIZE) that is hottest in the middle."""
    axis = (np.arange(SIZE) + 0.5) / SIZE - 0.5
    return -np.hypot(axis[:, None], axis[None, :])


def localisation_of(
    names: Sequence[str],
    folder: AnyPath,
    clips: HeardClips,
    boxes: Mapping[str, SoundingBox],
    params: EvaluateSeparationParams,
) -> dict[str, dict[str, Any]]:
    """Return for metrics.json how well separators locate sounds, and what needs no model; nothing without boxes.

    Args:
        names: of the separators.
        folder: with a folder for each, that the stage `separate` wrote.
        clips: of all splits.
        boxes: where clips sound; those of the test split are looked at.
        params: section ``evaluate``.
    """
    test = [clip for clip in clips.of_split("test") if clip.clip_id in boxes]
    heats = {name: {clip_id: arrays["heat"] for clip_id, arrays in _read(folder, name)} for name in names}
    heats = {name: of_clips for name, of_clips in heats.items() if of_clips}
    if not test or not heats:
        return {}
    maps = {name: [list(of_clips[clip.clip_id]) for clip in test] for name, of_clips in heats.items()}
    maps["frame_difference"] = [[frame_difference(clips.whole_film(clip.clip_id))] for clip in test]
    maps["centre"] = [[centre_map()] for _ in test]
    own, people = [boxes[clip.clip_id] for clip in test], [[source_of(clip)] for clip in test]
    rows = {
        name: _row(
            [[located(heat, box) for heat in of_clip] for of_clip, box in zip(found, own, strict=True)], people, params
        )
        for name, found in maps.items()
    }
    return rows | {"whole_picture": _row([[covered(box)] for box in own], people, params)}


def synchrony_of(
    names: Sequence[str], folder: AnyPath, clips: HeardClips, params: EvaluateSeparationParams
) -> dict[str, dict[str, Any]]:
    """Return by separator how often a film is nearer to its own sound than to that of a second away.

    Args:
        names: of the separators.
        folder: with a folder for each, that the stage `separate` wrote.
        clips: of all splits.
        params: section ``evaluate``.
    """
    found = {}
    for name in names:
        read = [(clip_id, arrays["aligned"] < arrays["shifted"]) for clip_id, arrays in _read(folder, name)]
        films = [(clip_id, right) for clip_id, nearer in read for right in nearer.mean(axis=0).tolist()]
        if films:
            people = [[source_of(clips.clips[clip_id])] for clip_id, _ in films]
            values = np.array([right for _, right in films])
            mean, margin = over_people(values, people, params.bootstrap_draws, params.seed)
            found[name] = {"sync_accuracy": mean, **margin, "n_films": len(films), "chance": CHANCE}
    return found


def covered(box: SoundingBox) -> LocationScores:
    """Return the scores of a map that is equally hot everywhere: all of the picture is shown."""
    inside = box.mask(SIZE)
    return LocationScores(iou(np.ones_like(inside), inside), float(inside.mean()))


def _read(folder: AnyPath, name: str) -> list[tuple[str, dict[str, NDArray[Any]]]]:
    """What a separator saw of every test clip; nothing of one that locates no sound."""
    return list(read_shards(Path(folder) / name / LOCATED))


def _row(
    scores: Sequence[Sequence[LocationScores]], people: Sequence[Sequence[str]], params: EvaluateSeparationParams
) -> dict[str, Any]:
    """The measures of one kind of map, means over the seeds, of scores by clip and seed."""
    by_seed = [[of_seed.iou for of_seed in seed] for seed in zip(*scores, strict=True)]
    successes = np.array([[one.iou >= SUCCESS_IOU for one in of_clip] for of_clip in scores]).mean(axis=1)
    mean, margin = over_people(successes, people, params.bootstrap_draws, params.seed)
    return {
        "ciou": mean,
        **margin,
        "auc": float(np.mean([success_auc(ious) for ious in by_seed])),
        "pointing": float(np.mean([one.pointing for of_clip in scores for one in of_clip])),
        "iou": float(np.mean(by_seed)),
        "n_clips": len(scores),
    }
