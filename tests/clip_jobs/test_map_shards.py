"""The loop over clips that are in shards already, as the stages of the networks run it."""

import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.loop import Embed, Job, has_rows, has_videos, map_shards, write_nothing
from pipeline.clip_jobs.share import WHOLE, parse_share
from pipeline.errors import DataError
from pipeline.formats import rejects
from pipeline.formats.clips import Clip, write_clips
from pipeline.formats.shards import Arrays, Rows, read_shards, write_shards


def rows_in(folder: Path) -> dict[str, Arrays]:
    """Shards of five clips with 1 to 5 rows."""
    clips: dict[str, Arrays] = {
        f"{i}": {"rows": np.full((i, 2), i), "seconds": np.arange(i) * 0.5} for i in range(1, 6)
    }
    write_shards(folder, clips, clips.__getitem__)
    return clips


def test_shards_are_embedded_once_with_their_times_and_no_network_is_made_for_nothing(tmp_path: Path) -> None:
    rows_in(tmp_path / "in")
    asked, made = [], []

    def embed(stream: Iterable[tuple[str, Rows]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for clip_id, rows in list(stream):
            asked.append(clip_id)
            yield clip_id, rows[:].astype(np.float32) * 10

    def make_embed() -> Embed:
        made.append("network")
        return embed

    for shard, n_made in (("1/2", 1), (WHOLE, 2), (WHOLE, 2)):
        job = Job("stage", ClipCache(tmp_path / "cache", "fingerprint"), tmp_path / "out", parse_share(shard))
        map_shards(job, tmp_path / "in", lambda arrays: arrays["rows"], make_embed)
        assert len(made) == n_made
    assert sorted(asked) == list("12345")
    back = dict(read_shards(tmp_path / "out"))
    assert back["3"]["embeddings"].tolist() == [[30, 30]] * 3
    assert back["3"]["seconds"].tolist() == [0, 0.5, 1]


def test_entries_that_turn_out_damaged_are_computed_again_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows_in(tmp_path / "in")
    asked: list[list[str]] = []

    def embed(stream: Iterable[tuple[str, Rows]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        clips = [(clip_id, rows[:].astype(np.float32)) for clip_id, rows in stream]
        asked.append([clip_id for clip_id, _ in clips])
        yield from clips

    def run() -> dict[str, bytes]:
        job = Job("stage", ClipCache(tmp_path / "cache", "fingerprint"), tmp_path / "out", parse_share(WHOLE))
        map_shards(job, tmp_path / "in", lambda arrays: arrays["rows"], lambda: embed)
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    intact = run()
    for path in sorted(tmp_path.glob("cache/*/*"))[:3]:
        path.write_bytes(path.read_bytes()[:-1] + b"!")  # seen only when its arrays are read
    assert run() == intact
    assert [len(clip_ids) for clip_ids in asked] == [5, 3]
    said = capsys.readouterr().out
    assert said.count("damaged (its content has another hash); expected an intact entry; computed again") == 3
    assert run() == intact
    assert len(asked) == 2


def test_a_folder_without_clips_is_told_and_its_out_is_empty(tmp_path: Path) -> None:
    none = tmp_path / "data" / "none"
    for _ in range(2):
        write_nothing(none)
    assert [path.name for path in none.iterdir()] == ["rejected.csv"]
    assert rejects.read(none / "rejected.csv") == []
    rows_in(tmp_path / "in")
    assert (has_rows(none), has_rows(tmp_path / "in")) == (False, True)
    write_clips(tmp_path / "clips.csv", [Clip(clip_id="imported", path="", label="x")])
    assert not has_videos(tmp_path / "clips.csv")


class Embedding:
    """A network that fails or hangs at some of the clips, and notes how often it is asked for each."""

    def __init__(self, failing: Collection[str] = (), hanging: Collection[str] = ()) -> None:
        self.asked: list[str] = []
        self._failing, self._hanging = failing, hanging

    def __call__(self, stream: Iterable[tuple[str, Rows]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for clip_id, rows in list(stream):
            self.asked.append(clip_id)
            if clip_id in self._failing:
                raise ZeroDivisionError("broken")
            if clip_id in self._hanging:
                time.sleep(1000)
            yield clip_id, rows[:].astype(np.float32)


def run_over(folder: Path, embed: Embedding, max_rejected_fraction: float = 1.0) -> dict[str, Arrays]:
    rows_in(folder / "in")
    job = Job("stage", ClipCache(folder / "cache", "fingerprint"), folder / "out", parse_share(WHOLE))
    map_shards(job, folder / "in", lambda arrays: arrays["rows"], lambda: embed, max_rejected_fraction, 0.5)
    return dict(read_shards(folder / "out"))


@pytest.mark.parametrize("failing", [*"12345", "24", "135", "12345"])
def test_a_clip_that_a_network_fails_at_loses_no_other(tmp_path: Path, failing: str) -> None:
    embed = Embedding(failing=failing)
    assert sorted(run_over(tmp_path, embed)) == sorted(set("12345").difference(failing))
    rows = rejects.read(tmp_path / "out" / "rejected.csv")
    assert [(row.clip_id, row.kind) for row in rows] == [(clip_id, "failed") for clip_id in failing]
    assert all("ZeroDivisionError at tests/clip_jobs/test_map_shards.py:" in row.reason for row in rows)
    assert max(embed.asked.count(clip_id) for clip_id in set("12345").difference(failing) or "1") <= 3
    again = Embedding()
    assert sorted(run_over(tmp_path, again)) == list("12345")
    assert sorted(again.asked) == list(failing)


def test_a_clip_that_a_network_hangs_at_is_refused_and_loses_no_other(tmp_path: Path) -> None:
    assert sorted(run_over(tmp_path, Embedding(hanging="3"))) == list("1245")
    (row,) = rejects.read(tmp_path / "out" / "rejected.csv")
    assert (row.clip_id, row.kind) == ("3", "timeout")
    assert "clip '3': not done after 0.5 s; expected" in row.reason


def test_too_many_clips_that_a_network_fails_at_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 of 5 clips rejected \(2 failed\).*max_rejected_fraction=0.3"):
        run_over(tmp_path, Embedding(failing="14"), max_rejected_fraction=0.3)


def test_an_error_that_is_raised_on_purpose_stops_the_run(tmp_path: Path) -> None:
    def embed(_: Iterable[tuple[str, Rows]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        raise DataError("weights: damaged; expected intact ones")

    rows_in(tmp_path / "in")
    job = Job("stage", ClipCache(tmp_path / "cache", "fingerprint"), tmp_path / "out", parse_share(WHOLE))
    with pytest.raises(DataError, match="weights: damaged; expected intact ones"):
        map_shards(job, tmp_path / "in", lambda arrays: arrays["rows"], lambda: embed)


def test_equal_rows_of_several_clips_are_embedded_once(tmp_path: Path) -> None:
    clips = {name: {"rows": np.ones((3, 2)), "seconds": np.arange(3.0)} for name in "abc"}
    write_shards(tmp_path / "in", clips, clips.__getitem__)
    embed = Embedding()
    job = Job("stage", ClipCache(tmp_path / "cache", "fingerprint"), tmp_path / "out", parse_share(WHOLE))
    map_shards(job, tmp_path / "in", lambda arrays: arrays["rows"], lambda: embed)
    assert sorted(dict(read_shards(tmp_path / "out"))) == list("abc")
    assert len(embed.asked) == 1
