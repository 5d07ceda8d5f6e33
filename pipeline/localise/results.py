"""What localisation.json says: each model on the events of the test clips, beside chance."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.localise.clip_seconds import Seconds
from pipeline.localise.kept_scores import KeptScores, ModelScores
from pipeline.localise.own_distance import SHARES, WithOwnDistance
from pipeline.localise.scores import (
    chance_scores,
    class_numbers,
    cosine_scores,
    mean_scores,
    own_scores,
    searched_events,
)
from pipeline.model_parts.seeds import is_left_out, load_seeds
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

EventReport = dict[str, Any]


def report(folder: AnyPath, names: Iterable[str], clips: Sequence[Seconds]) -> EventReport:
    """Return the content of localisation.json; without clips it has no models.

    Models that the stage `train` left out are left out here. Numbers are means over a model's seeds.

    Args:
        folder: of the models.
        names: of the models, the main one first.
        clips: the test clips with an event.

    Raises:
        DataError: a model is missing or damaged.
    """
    folder, counts = Path(folder), _counts(clips)
    if not clips:
        return {**counts, "models": {}, "own_distance": {}, "chance": {}}
    kept, found = KeptScores(clips), dict[str, ModelScores]()
    for name in track([name for name in names if not is_left_out(folder / name)], "localise", "model"):
        found[name] = kept.of(name, folder / name, partial(_model_scores, name, folder / name, clips))
    models = {name: scores.cosine for name, scores in found.items()}
    own = {name: scores.own for name, scores in found.items() if scores.own}
    return {**counts, "models": models, "own_distance": own, "chance": chance_scores(clips)}


def in_words(of: EventReport, path: AnyPath) -> str:
    """Return a line a model, best first: the events whose start it finds, and what chance gets; or that there is none.

    Args:
        of: what localisation.json holds.
        path: of that file.
    """
    rows = {**of["models"], **{f"{name}, own distance": found["own"] for name, found in of["own_distance"].items()}}
    if not of["n_events"]:
        return f"localise: no test clip has an event with times that is shorter than itself: {path} has no starts"
    shares = {name: found["average"]["exact_start"] for name, found in {**rows, "chance": of["chance"]}.items()}
    lines = [f"  {name:24} {shares[name]:.3f}" for name in sorted(shares, key=lambda name: -shares[name])]
    heading = f"localise: exact starts of {of['n_events']} events, mean of both directions; all else stands in {path}"
    return "\n".join([heading, *lines])


def _model_scores(name: str, folder: Path, clips: Sequence[Seconds]) -> ModelScores:
    """What a model gets by cosine, and by its own distance if it has one."""
    fits = load_seeds(name, folder)
    cosine = mean_scores([cosine_scores(fit, clips) for fit in fits])
    if not (with_own := [fit for fit in fits if isinstance(fit, WithOwnDistance)]):
        return ModelScores(cosine, {})
    own = {way: mean_scores([own_scores(fit, clips, shares) for fit in with_own]) for way, shares in SHARES.items()}
    return ModelScores(cosine, own)


def _counts(clips: Sequence[Seconds]) -> dict[str, int]:
    """How many clips have an event, in how many it could be elsewhere; and how many are searched, if not all."""
    counts = {"n_clips": len(clips), "n_events": sum(clip.can_be_located for clip in clips)}
    labels = class_numbers(clips)
    drawn = len(searched_events(labels))
    return counts | ({"n_searched": drawn} if drawn < (labels >= 0).sum() else {})
