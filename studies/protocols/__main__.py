"""How the models of a finished run do in the protocols of other papers, on the test clips whose event times are known.

Localisation: the event's seconds of one modality slide over the other; the start must be exact. Segments: one second
from the middle of each event; mean reciprocal rank of the first of its class. Few queries: four clips a class search
the others, nDCG@10. A second is a picture and the sound around it, each embedded by the model as if it were a clip's
mean and scaled to length 1. Numbers are means over the model's seeds.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.features.clip_vectors import FeaturesParams
    from pipeline.features.pca import Pca
    from pipeline.formats.clips import Clip
    from pipeline.formats.shards import Arrays
    from pipeline.model_parts.base import Model

QUERIES_PER_CLASS = 4
QUERY_SEED = 42
HALF_EXAMPLE_SECONDS = 0.48
CROSS_MODAL = ("audio_to_visual", "visual_to_audio")
COLUMNS = (
    *("localisation a->v", "localisation v->a"),
    *("segments a->v", "segments v->a", "segments a->a", "segments v->v"),
    *("few queries a->v", "few queries v->a"),
)


class Seconds(NamedTuple):
    """A clip second by second: features (n_seconds, width) float32 of both modalities, and its event within them."""

    audio: "NDArray[np.float32]"
    visual: "NDArray[np.float32]"
    label: str
    start: int
    length: int

    @property
    def can_be_located(self) -> bool:
        """Whether the event leaves another place to slide to."""
        return self.length < len(self.audio)


def main() -> None:
    """Print a table with a row a model, and what chance gets."""
    data = _arguments().data_folder
    try:
        clips = list(read_seconds(data))
        n_located = sum(clip.can_be_located for clip in clips)
        if not n_located:
            sys.exit(
                f"protocols: {data / 'clips.csv'}: no test clip with an event shorter than itself; expected event times"
            )
        print(f"{len(clips)} test clips with an event, {n_located} of them longer than it\n")
        print(f"| model | {' | '.join(COLUMNS)} |\n|---{'|---' * len(COLUMNS)}|")
        for folder in sorted(path for path in (data / "models").iterdir() if path.is_dir()):
            print(f"| {folder.name} | " + " | ".join(f"{score:.3f}" for score in scores(folder, data, clips)) + " |")
        print("| chance | " + " | ".join(f"{score:.3f}" for score in chance(clips)) + " | | |")
    except PipelineError as error:
        sys.exit(f"protocols: {type(error).__name__}: {error}")


def read_seconds(data: Path) -> "Iterator[Seconds]":
    """Yield every test clip whose event covers at least one of its seconds.

    Args:
        data: folder with clips.csv and the outputs of the stages vggish, inception and features.

    Raises:
        DataError: a file is missing or damaged.
    """
    from pipeline.features.clip_vectors import FeaturesParams
    from pipeline.features.pca import load_pca
    from pipeline.formats.clips import read_clips
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.formats.shards import read_shards

    known = (clip for clip in read_clips(data / "clips.csv") if clip.split == "test" and clip.start_seconds is not None)
    clips = {clip.clip_id: clip for clip in known}
    made_with = FeatureTable.load(data / "features.safetensors").provenance.get("features", {})
    fitted = load_pca(data / "pca.safetensors")
    sounds, pictures = (dict(read_shards(data / stage, clips.__contains__)) for stage in ("vggish", "inception"))
    for clip_id in sorted(sounds.keys() & pictures.keys()):
        params = FeaturesParams.model_validate(made_with)
        seconds = _seconds(clips[clip_id], sounds[clip_id], pictures[clip_id], params, fitted)
        if seconds.length:
            yield seconds


def scores(folder: Path, data: Path, clips: "Sequence[Seconds]") -> "NDArray[np.float64]":
    """Return a model's line of the table, (n_columns,).

    Args:
        folder: of the fitted models, one a seed.
        data: its parent's parent, with the clips' embeddings.
        clips: the test clips with an event.

    Raises:
        DataError: a file is missing or damaged.
    """
    import numpy as np

    from pipeline.formats.embeddings import Embeddings
    from pipeline.model_parts.base import model_module
    from studies.protocols.few_queries import few_queries_ndcg

    embeddings = Embeddings.load(data / "embeddings" / f"{folder.name}.npz")
    by_seed = []
    for k, path in enumerate(sorted(folder.glob("seed-*.safetensors"))):
        by_second = _second_scores(model_module(folder.name).Model.load(path), clips)
        ndcg = few_queries_ndcg(
            embeddings.audio[k], embeddings.visual[k], embeddings.labels, QUERIES_PER_CLASS, QUERY_SEED
        )
        by_seed.append([*by_second, *(ndcg[direction] for direction in CROSS_MODAL)])
    return np.asarray(np.mean(by_seed, axis=0))


def chance(clips: "Sequence[Seconds]") -> list[float]:
    """Return what knows nothing gets, in the columns of localisation and segments."""
    import numpy as np

    from studies.protocols.few_queries import chance_segment_retrieval
    from studies.protocols.localisation import chance_accuracy

    located = [clip for clip in clips if clip.can_be_located]
    n_seconds, lengths = np.array([len(clip.audio) for clip in located]), np.array([clip.length for clip in located])
    segments = chance_segment_retrieval(_numbers(clips))
    return [
        *(chance_accuracy(n_seconds, lengths) for _ in CROSS_MODAL),
        *(segments["cross_modal"] for _ in CROSS_MODAL),
        *(segments["within_modality"] for _ in CROSS_MODAL),
    ]


def _second_scores(model: "Model", clips: "Sequence[Seconds]") -> list[float]:
    """Localisation and segment retrieval of one fitted model, six numbers."""
    import numpy as np

    from pipeline.retrieval.cosines import unit_rows
    from studies.protocols.few_queries import segment_retrieval
    from studies.protocols.localisation import EventVideo, localisation_accuracy

    ends = np.cumsum([len(clip.audio) for clip in clips])
    audio = unit_rows(model.embed_audio(np.concatenate([clip.audio for clip in clips])))
    visual = unit_rows(model.embed_visual(np.concatenate([clip.visual for clip in clips])))
    videos = [
        EventVideo(sound, picture, clip.start, clip.length)
        for sound, picture, clip in zip(np.split(audio, ends[:-1]), np.split(visual, ends[:-1]), clips, strict=True)
        if clip.can_be_located
    ]
    middles = [
        end - len(clip.audio) + clip.start + clip.length // 2 for end, clip in zip(ends.tolist(), clips, strict=True)
    ]
    found, ranks = localisation_accuracy(videos), segment_retrieval(audio[middles], visual[middles], _numbers(clips))
    return [*found.values(), *ranks.values()]


def _seconds(clip: "Clip", sound: "Arrays", pictures: "Arrays", params: "FeaturesParams", fitted: "Pca") -> Seconds:
    """One clip's features as the stage `features` makes them, but not averaged."""
    from pipeline.features import pca
    from pipeline.features.clip_vectors import scale_audio
    from studies.protocols.localisation import event_segments, paired_segments

    examples, frames = paired_segments(
        sound["seconds"] + HALF_EXAMPLE_SECONDS, pictures["seconds"], HALF_EXAMPLE_SECONDS
    )
    times = pictures["seconds"][frames]
    end_seconds = times[-1] + 1 if clip.end_seconds is None else clip.end_seconds
    start, length = event_segments(times, clip.start_seconds or 0.0, end_seconds)
    audio = scale_audio(sound["embeddings"][examples], params.audio_scaling)
    visual = pca.transform(fitted, pictures["embeddings"][frames], params.whiten, params.epsilon)
    return Seconds(audio, visual, clip.label, start, length)


def _numbers(clips: "Sequence[Seconds]") -> "NDArray[np.int64]":
    """Each clip's class as a number, (n_clips,)."""
    import numpy as np

    return np.unique([clip.label for clip in clips], return_inverse=True)[1]


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.protocols", description=__doc__)
    parser.add_argument("data_folder", type=Path, help="of a finished run: data")
    return parser.parse_args()


if __name__ == "__main__":
    main()
