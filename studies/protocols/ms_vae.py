"""MS-VAE in its own two tasks, with its own distance: of published features of AVE, or of a finished run.

DIR with audio_feature.h5 holds features that AVE's authors published: MS-VAE is trained on the seconds of the train
videos of the match files, once a seed of section baselines.ms_vae of params.yaml. Any other DIR is the data folder of a
finished run, whose own ms_vae is asked. The first table has the share of events that are found, in per cent; the second
the mean reciprocal rank of the first second of the query's class, one second a video from the middle of its event: four
ways by three distances and chance, 16 numbers. Numbers are means over the seeds.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline.errors import DataError, PipelineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.models.ms_vae import Model, MsVaeNetwork
    from studies.protocols.__main__ import Seconds
    from studies.protocols.ave_seconds import PublishedSeconds
    from studies.protocols.own_distance import Halves

NAME = "ms_vae"
LOCATED = ("audio_to_visual", "visual_to_audio")
ARROWS = {"audio": "a", "visual": "v"}


def main() -> None:
    """Print both tables."""
    folder = _arguments().folder
    try:
        clips, models = _clips_and_models(folder)
        print("\n".join(lines(clips, [_tables(model, clips) for model in models])))
    except PipelineError as error:
        sys.exit(f"protocols: {type(error).__name__}: {error}")


def lines(clips: "Sequence[Seconds]", by_seed: Sequence[dict[tuple[str, str, str], float]]) -> Iterator[str]:
    """Yield both tables as Markdown.

    Args:
        clips: the test videos with an event, at least one of them longer than it.
        by_seed: of each fit the numbers by task, distance and way.
    """
    from studies.protocols.own_distance import SHARES, WAYS

    chance, n_located = _chance(clips), sum(clip.can_be_located for clip in clips)
    plural = "s" if len(by_seed) > 1 else ""
    yield f"{len(clips)} test videos with an event, {n_located} of them longer than it; {len(by_seed)} seed{plural}"
    for task, ways, form, factor in (("localisation", LOCATED, ".1f", 100), ("retrieval", WAYS, ".3f", 1)):
        heads = ["->".join(ARROWS[modality] for modality in way.split("_to_")) for way in ways]
        yield ""
        yield f"| {task} | {' | '.join(heads)} |"
        yield f"|---|{'---:|' * len(heads)}"
        for distance in SHARES:
            means = [sum(of[task, distance, way] for of in by_seed) / len(by_seed) for way in ways]
            yield f"| {distance} | {' | '.join(format(factor * mean, form) for mean in means)} |"
        yield f"| chance | {' | '.join(format(factor * chance[task, way], form) for way in ways)} |"


def published_clips(videos: "PublishedSeconds") -> "list[Seconds]":
    """Return the videos of a split that have an event, in the form of a run's clips.

    Args:
        videos: (n, n_seconds, width) features of both modalities, and classes.

    Raises:
        DataError: the seconds of an event are not one run of one class.
    """
    import numpy as np

    from studies.protocols.__main__ import Seconds

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
    from studies.protocols.__main__ import read_seconds
    from studies.protocols.ave_seconds import is_published, read_published

    if is_published(folder):
        splits = read_published(folder)
        clips, models = _with_places(folder, published_clips(splits["test"])), []
        params = load_params(f"baselines.{NAME}", MsVaeParams)
        for seed in params.seeds:
            models.append(Model(params, seed))
            models[-1].fit(splits["train"].pairs(), splits["validation"].pairs())
        return clips, models
    clips = _with_places(folder, list(read_seconds(folder)))
    fits = sorted((folder / "models" / NAME).glob("seed-*.safetensors"))
    if not fits:
        raise DataError(f"{folder / 'models' / NAME}: no fit; expected {NAME} among `models` of params.yaml, trained")
    return clips, [Model.load(path) for path in fits]


def _with_places(folder: Path, clips: "list[Seconds]") -> "list[Seconds]":
    """The clips, of which one at least must be longer than its event."""
    if not any(clip.can_be_located for clip in clips):
        raise DataError(f"{folder}: no test video with an event shorter than itself; expected event times")
    return clips


def _tables(model: "Model", clips: "Sequence[Seconds]") -> dict[tuple[str, str, str], float]:
    """The numbers of one fit by task, distance and way."""
    import numpy as np

    from studies.protocols.own_distance import SHARES, HalvedVideo, localisation_by_distance, retrieval_by_distance

    lengths = [len(clip.audio) for clip in clips]
    starts = np.cumsum([0, *lengths[:-1]])
    audio, visual = halves(model, np.concatenate([c.audio for c in clips]), np.concatenate([c.visual for c in clips]))
    spans = [slice(start, start + n) for start, n in zip(starts.tolist(), lengths, strict=True)]
    videos = [
        HalvedVideo(audio.rows(span), visual.rows(span), clip.start, clip.length)
        for clip, span in zip(clips, spans, strict=True)
        if clip.can_be_located
    ]
    middles = starts + [clip.start + clip.length // 2 for clip in clips]
    labels = np.unique([clip.label for clip in clips], return_inverse=True)[1]
    found: dict[tuple[str, str, str], float] = {}
    for distance, shares in SHARES.items():
        located = localisation_by_distance(videos, shares)
        ranks = retrieval_by_distance(audio.rows(middles), visual.rows(middles), labels, shares)
        found |= {("localisation", distance, way): share for way, share in located.items()}
        found |= {("retrieval", distance, way): rank for way, rank in ranks.items()}
    return found


def halves(model: "Model", audio: "NDArray[np.float32]", visual: "NDArray[np.float32]") -> "tuple[Halves, Halves]":
    """Return latent means and generated pairs of (n, width) features of both modalities.

    They are not of unit length, as those in the model's embeddings are.

    Args:
        model: fitted.
        audio: (n, audio width).
        visual: (n, visual width).
    """
    import torch

    from studies.protocols.own_distance import Halves

    network = cast("MsVaeNetwork", model._fitted())
    with torch.inference_mode():
        latents = [
            encoder(torch.from_numpy(features).to(model.device))[0]
            for encoder, features in ((network.audio, audio), (network.visual, visual))
        ]
        both = [Halves(latent.cpu().numpy(), network.decoder(latent).cpu().numpy()) for latent in latents]
    return both[0], both[1]


def _chance(clips: "Sequence[Seconds]") -> dict[tuple[str, str], float]:
    """What knows nothing gets, by task and way."""
    import numpy as np

    from studies.protocols.few_queries import chance_segment_retrieval
    from studies.protocols.localisation import chance_accuracy
    from studies.protocols.own_distance import WAYS

    located = [clip for clip in clips if clip.can_be_located]
    n_seconds, lengths = np.array([len(clip.audio) for clip in located]), np.array([clip.length for clip in located])
    ranks = chance_segment_retrieval(np.unique([clip.label for clip in clips], return_inverse=True)[1])
    within = {way: "within_modality" if len(set(way.split("_to_"))) == 1 else "cross_modal" for way in WAYS}
    return {
        **{("localisation", way): chance_accuracy(n_seconds, lengths) for way in LOCATED},
        **{("retrieval", way): ranks[within[way]] for way in WAYS},
    }


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.protocols.ms_vae", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="published features of AVE, or data of a finished run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
