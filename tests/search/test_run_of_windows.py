"""An index of a run whose clips are windows of files: its rows, and queries by a moment."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.formats.clips import Clip, read_clips, write_clips, write_root
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.search.build import read_run, rows_of_run
from pipeline.search.index import Index
from pipeline.search.printing import place_of
from pipeline.search.query import Searcher
from pipeline.search.rows import MODALITIES
from pipeline.search.writing import build_index
from tests.helpers.search_run import HOP_SECONDS, SearchRun, arrays_of

pytestmark = pytest.mark.usefixtures("_elsewhere")
TIMES = ((0.0, 2.0), (1.0, 3.0), (2.0, 4.0))  # of windows; a clip has four seconds, or less


@pytest.fixture
def data(finished: SearchRun, tmp_path: Path) -> Path:
    """The finished run, the clips of four seconds as windows that overlap."""
    for name in ("vggish", "inception"):
        (tmp_path / name).symlink_to(finished.data / name)
    clips = [
        part
        for k, clip in enumerate(sorted(read_clips(finished.data / "clips.csv"), key=lambda clip: number(clip)))
        for part in ([clip.part(*times) for times in TIMES] if k % 4 == 3 else [clip])
    ]
    write_clips(tmp_path / "clips.csv", clips)
    write_root(tmp_path / "clips.csv", finished.videos)
    return tmp_path


def number(clip: Clip) -> int:
    return int(clip.file_id.split()[1])


@pytest.fixture
def searcher(finished: SearchRun, data: Path) -> Searcher:
    encoder = finished.encoder()
    build_index(encoder, data, str(data / "index"))
    return Searcher(Index.open(data / "index"), encoder)


def test_a_row_is_the_joint_vector_of_its_window(finished: SearchRun, searcher: Searcher) -> None:
    index, encoder = searcher.index, searcher.encoder
    assert index.facts.window_seconds == 2.0
    rows = index.rows("clip 3")
    assert [(row.start, row.end) for row in rows] == [*TIMES]
    for modality in MODALITIES:
        arrays = arrays_of(finished.made, modality, "clip 3")
        middles = arrays["seconds"] + (HOP_SECONDS / 2 if modality == "audio" else 0.0)
        for row in rows:
            inside = arrays["embeddings"][(row.start <= middles) & (middles < row.end)]
            np.testing.assert_allclose(getattr(row, modality), encoder.joint(modality, inside), atol=1e-6)


def test_a_result_is_a_moment_that_is_a_query_again(searcher: Searcher) -> None:
    first, *_ = searcher.search("clip:clip 3#t=1,3", find="clip").results
    assert (first.clip_id, first.start, first.end, first.path) == ("clip 3", 1.0, 3.0, "bark/3.mp4")
    assert place_of(first) == "bark/3.mp4#t=1,3"
    found = searcher.search("clip:clip 3#t=1,3", find="sound", query_modality="audio", top=1).results[0]
    assert (found.clip_id, found.start, found.score) == ("clip 3", 1.0, pytest.approx(1.0, abs=1e-6))


def test_windows_of_another_length_are_cut_from_whole_files(finished: SearchRun, data: Path) -> None:
    encoder = finished.encoder()
    own = [row for rows in rows_of_run(encoder, read_run(encoder, data), 1.0) for row in rows]
    whole = [row for rows in rows_of_run(encoder, read_run(encoder, finished.data), 1.0) for row in rows]
    assert sorted((row.clip_id, row.start) for row in own) == sorted((row.clip_id, row.start) for row in whole)


def test_the_encoder_is_compared_on_windows(finished: SearchRun, data: Path) -> None:
    encoder, run = finished.encoder(), read_run(finished.encoder(), data)
    windows = [clip for clip in run.clips if clip.window][:3]
    rows = {(row.clip_id, row.start): row for rows in rows_of_run(encoder, run) for row in rows}
    audio, visual = (
        np.stack([getattr(rows[clip.file_id, clip.window_start_seconds], side) for clip in windows])
        for side in MODALITIES
    )
    made = EmbeddedClips(
        audio=np.stack([audio] * 2),  # of two seeds
        visual=np.stack([visual] * 2),
        labels=np.zeros(3, np.int64),
        classes=["x"],
        clip_ids=[clip.clip_id for clip in windows],
        splits=["test"] * 3,
    )
    (data / "embeddings").mkdir()
    made.save(data / "embeddings/cca.npz")
    assert read_run(encoder, data).embedded is not None
    replace(made, audio=-audio[None].repeat(2, axis=0)).save(data / "embeddings/cca.npz")
    with pytest.raises(DataError, match=r"clip 'clip 11#t=0,2' is .* off what"):
        read_run(encoder, data)
