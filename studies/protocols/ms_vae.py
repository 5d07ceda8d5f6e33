"""MS-VAE in its own two tasks, with its own distance, on the features of AVE that its authors published.

DIR holds audio_feature.h5 and the files beside it: MS-VAE is trained on the seconds of the train videos of the match
files, once a seed of section baselines.ms_vae of params.yaml. The first table has the share of events that are found,
in per cent; the second the mean reciprocal rank of the first second of the query's class, one second a video from the
middle of its event: four ways by three distances and chance, 16 numbers. Numbers are means over the seeds. Of a run on
videos the stage `localise` has the same.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import DataError, PipelineError

if TYPE_CHECKING:
    from pipeline.localise.clip_seconds import Seconds
    from pipeline.localise.scores import EventScores
    from pipeline.models.ms_vae import Model
    from studies.protocols.ave_seconds import PublishedSeconds

NAME = "ms_vae"
LOCATED = ("audio_to_visual", "visual_to_audio")
ARROWS = {"audio": "a", "visual": "v"}


def main() -> None:
    """Print both tables."""
    from pipeline.localise.own_distance import SHARES
    from pipeline.localise.scores import mean_scores, own_scores

    folder = _arguments().folder
    try:
        clips, models = _clips_and_models(folder)
        by_distance = {
            distance: mean_scores([own_scores(model, clips, shares) for model in models])
            for distance, shares in SHARES.items()
        }
        print("\n".join(lines(clips, by_distance, len(models))))
    except PipelineError as error:
        sys.exit(f"protocols: {type(error).__name__}: {error}")


def lines(clips: "Sequence[Seconds]", by_distance: "dict[str, EventScores]", n_seeds: int) -> Iterator[str]:
    """Yield both tables as Markdown.

    Args:
        clips: the test videos with an event, at least one of them longer than it.
        by_distance: means over the seeds.
        n_seeds: how many.
    """
    from pipeline.localise.scores import chance_scores
    from pipeline.localise.segments import WAYS

    rows, n_located = {**by_distance, "chance": chance_scores(clips)}, sum(clip.can_be_located for clip in clips)
    plural = "s" if n_seeds > 1 else ""
    yield f"{len(clips)} test videos with an event, {n_located} of them longer than it; {n_seeds} seed{plural}"
    tables = (
        ("localisation", "exact_start", LOCATED, ".1f", 100),
        ("retrieval", "segment_mrr", WAYS, ".3f", 1),
    )
    for task, metric, ways, form, factor in tables:
        heads = ["->".join(ARROWS[modality] for modality in way.split("_to_")) for way in ways]
        yield ""
        yield f"| {task} | {' | '.join(heads)} |"
        yield f"|---|{'---:|' * len(heads)}"
        for name, scores in rows.items():
            yield f"| {name} | {' | '.join(format(factor * scores[way][metric], form) for way in ways)} |"


def published_clips(videos: "PublishedSeconds") -> "list[Seconds]":
    """Return the videos of a split that have an event, in the form of a run's clips.

    Args:
        videos: (n, n_seconds, width) features of both modalities, and classes.

    Raises:
        DataError: the seconds of an event are not one run of one class.
    """
    import numpy as np

    from pipeline.localise.clip_seconds import Seconds

    clips = []
    for row, (audio, visual, classes) in enumerate(zip(*videos[:3], strict=True)):
        seconds = np.flatnonzero(classes != videos.background)
        if not seconds.size:
            continue
        start, length = int(seconds[0]), len(seconds)
        if len(set(classes[seconds].tolist())) > 1 or seconds[-1] - start + 1 != length:
            raise DataError(f"labels.h5: test video {row}: seconds {seconds.tolist()} of its event; expected one run")
        clips.append(Seconds(audio, visual, str(classes[start]), start, length))
    return clips


def _clips_and_models(folder: Path) -> "tuple[list[Seconds], list[Model]]":
    """The test videos, and a fitted model a seed."""
    from pipeline.models.ms_vae import Model
    from pipeline.models.ms_vae import Params as MsVaeParams
    from pipeline.settings.params import load_params
    from studies.protocols.ave_seconds import read_published

    splits = read_published(folder)
    clips, models = published_clips(splits["test"]), []
    if not any(clip.can_be_located for clip in clips):
        raise DataError(f"{folder}: no test video with an event shorter than itself; expected event times")
    params = load_params(f"baselines.{NAME}", MsVaeParams)
    for seed in params.seeds:
        models.append(Model(params, seed))
        models[-1].fit(splits["train"].pairs(), splits["validation"].pairs())
    return clips, models


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.protocols.ms_vae", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="published features of AVE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
