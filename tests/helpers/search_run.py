"""A finished run as `avr index build` finds it: clips, vectors over time, embeddings, an encoder; and made rows."""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.encoder import Encoder
from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import Arrays, write_shards
from pipeline.network_parts.base import Modality
from pipeline.search.rows import IndexFacts, IndexRow, to_table
from pipeline.search.store import overwrite
from tests.helpers.encoders import (
    N_CLASSES,
    N_CLIPS,
    SPLITS,
    MadeEncoder,
    PlainNetwork,
    make_encoder,
    with_plain_networks,
)
from tests.helpers.project import write_video

NETWORKS: dict[Modality, str] = {"audio": "vggish", "visual": "inception"}
CLASSES = ("bark", "meow", "moo")
HOP_SECONDS = 0.96


class SearchRun(NamedTuple):
    """A folder that the stages have written to, the encoder, and what stands behind them.

    Attributes:
        data: the folder.
        videos: the folder of the clips; the first three have a video.
        made: the encoder's folder, and the vectors of all clips.
    """

    data: Path
    videos: Path
    made: MadeEncoder

    def encoder(self) -> Encoder:
        """The encoder, with networks that are ready at once."""
        return self.encoder_and_networks()[0]

    def encoder_and_networks(self) -> tuple[Encoder, tuple[PlainNetwork, PlainNetwork]]:
        encoder = self.made.load()
        return encoder, with_plain_networks(encoder)


def make_run(folder: Path, without: tuple[str, str] | None = None, *, imported: bool = False) -> SearchRun:
    """Write the run; the folder must be the current one.

    Args:
        folder: to write to.
        without: a network and a clip that it refused.
        imported: of features without videos and networks.
    """
    made = make_encoder(folder, "cca", imported=imported)
    data, videos = folder / "data", folder / "videos"
    shutil.move(made.run.embeddings, data / "embeddings")
    clip_ids = [f"clip {k}" for k in range(N_CLIPS)]
    clips = []
    for k, clip_id in enumerate(clip_ids):
        path = "" if imported else f"{CLASSES[k % N_CLASSES]}/{k}.mp4"
        if k < 3 and path:
            write_video(videos / path, k)
        sha256 = file_sha256(videos / path) if k < 3 and path else f"{k:064x}"
        clips.append(Clip(clip_id=clip_id, path=path, label=CLASSES[k % N_CLASSES], sha256=sha256, split=SPLITS[k]))
    write_clips(data / "clips.csv", clips)
    write_root(data / "clips.csv", videos)
    for modality, name in NETWORKS.items() if not imported else ():
        kept = [clip_id for clip_id in clip_ids if (name, clip_id) != without]
        write_shards(data / name, kept, lambda clip_id, modality=modality: arrays_of(made, modality, clip_id))
    return SearchRun(data, videos, made)


def arrays_of(made: MadeEncoder, modality: Modality, clip_id: str) -> Arrays:
    """What a network has written of a clip: sounds are timed at their start, pictures in the middle of a second."""
    vectors = made.vectors[modality][int(clip_id.split()[1])]
    times = np.arange(len(vectors)) * HOP_SECONDS if modality == "audio" else np.arange(len(vectors)) + 0.5
    return {"embeddings": vectors, "seconds": times}


def random_rows(n_rows: int, width: int = 8, seed: int = 0, decimals: int | None = None) -> list[IndexRow]:
    """Rows of clips of two classes; every fifth lacks sound, every seventh pictures; few decimals make ties."""
    rng = np.random.default_rng(seed)

    def vector() -> NDArray[np.float32]:
        drawn = rng.normal(size=width) if decimals is None else rng.normal(size=width).round(decimals)
        return np.asarray(drawn + (0 if drawn.any() else 1), np.float32)

    return [
        IndexRow(
            clip_id=f"clip {number:05}",
            path=f"{number}.mp4",
            root="/videos",
            sha256=f"{seed:032x}{number:032x}",
            start=0.0,
            end=float(number % 4),
            label=("Dog", "Cat's")[number % 2],
            split=("train", "test", "")[number % 3],
            audio=None if number % 5 == 4 else vector(),
            visual=None if number % 7 == 6 else vector(),
        )
        for number in range(n_rows)
    ]


def facts_for(width: int = 8, encoder: str = "f" * 64, window_seconds: float | None = None) -> IndexFacts:
    """The facts of an index of rows that a test made."""
    return IndexFacts(encoder=encoder, model="cca", width=width, root="/videos", window_seconds=window_seconds)


def write_index(folder: Path, rows: list[IndexRow], width: int = 8) -> str:
    """Write an index of rows and return its folder as text."""
    overwrite(str(folder), to_table(rows, facts_for(width)))
    return str(folder)
