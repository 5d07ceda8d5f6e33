"""A network in processes of its own: who computes what, and what a process that ends costs."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from pipeline.clip_jobs import shard_chunks
from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.engines import prepare, processes
from pipeline.clip_jobs.engines.base import do_nothing
from pipeline.clip_jobs.loop import Job, map_shards
from pipeline.clip_jobs.shard_chunks import NetworkWorkers
from pipeline.clip_jobs.share import WHOLE, parse_share
from pipeline.formats import rejects
from pipeline.formats.shards import Arrays, read_shards, write_shards
from tests.helpers.network_work import WORDS, ObedientNetwork, rows_in

N_CLIPS = 12


@pytest.fixture(scope="module", autouse=True)
def _workers_start_warm() -> None:
    prepare(["pipeline.clip_jobs.loop", "tests.helpers.clip_work", "tests.helpers.network_work"])


def run(folder: Path, first: dict[str, int], shard: str = WHOLE, most_clips: int = 64) -> dict[str, Arrays]:
    """The out of clips of two rows, most of which hold their own number and some what tells the network what to do."""
    (folder / "log").write_text("")
    clips: dict[str, Arrays] = {
        f"{k}.mp4": {"rows": np.full((2, 3), first.get(f"{k}.mp4", k)), "seconds": np.arange(2.0)}
        for k in range(N_CLIPS)
    }
    write_shards(folder / "in", clips, clips.__getitem__)
    workers = NetworkWorkers(ObedientNetwork(folder / "log"), processes.run, 2, do_nothing, 0, most_clips)
    job = Job("stage", ClipCache(folder / "cache", "fingerprint"), folder / "out", parse_share(shard))
    seconds = 1.0 if {92, 94} & set(first.values()) else 60.0
    map_shards(job, folder / "in", rows_in, None, 1.0, seconds, lambda: nullcontext(workers))  # type: ignore[arg-type]
    return dict(read_shards(folder / "out"))


def noted(folder: Path) -> list[str]:
    return [line.split()[0] for line in (folder / "log").read_text().splitlines()]


def workers_that_made_one(folder: Path) -> list[str]:
    return [line.split()[1] for line in (folder / "log").read_text().splitlines() if line.startswith("made ")]


@pytest.mark.parametrize("most_clips", [1, 64])
def test_every_clip_is_embedded_once_and_every_worker_makes_its_network_once(tmp_path: Path, most_clips: int) -> None:
    out = run(tmp_path, {}, most_clips=most_clips)
    assert {name: arrays["embeddings"].tolist() for name, arrays in out.items()} == {
        f"{k}.mp4": [[10.0 * k] * 3] * 2 for k in range(N_CLIPS)
    }
    assert all(arrays["seconds"].tolist() == [0, 1] for arrays in out.values())
    assert sorted(set(noted(tmp_path)) - {"made"}) == sorted(out)
    assert len(noted(tmp_path)) == N_CLIPS + len(workers_that_made_one(tmp_path))
    assert len(set(workers_that_made_one(tmp_path))) == len(workers_that_made_one(tmp_path)) <= 2
    run(tmp_path, {}, most_clips=most_clips)
    assert noted(tmp_path) == []


@pytest.mark.parametrize(("number", "kind"), [(90, "crashed"), (91, "out_of_memory"), (93, "failed")])
def test_a_clip_that_ends_its_process_costs_itself_alone(tmp_path: Path, number: int, kind: str) -> None:
    assert WORDS[number] in ("abort", "killed", "broken")
    out = run(tmp_path, {"3.mp4": number, "8.mp4": number})
    assert sorted(out) == sorted(f"{k}.mp4" for k in range(N_CLIPS) if k not in (3, 8))
    assert {row.clip_id: row.kind for row in rejects.read(tmp_path / "out" / "rejected.csv")} == {
        "3.mp4": kind,
        "8.mp4": kind,
    }
    asked = noted(tmp_path)
    assert all(asked.count(name) == 1 for name in out) or kind == "failed"  # what was finished before it stays
    again = run(tmp_path, {})
    assert len(again) == N_CLIPS
    assert sorted(set(noted(tmp_path)) - {"made"}) == ["3.mp4", "8.mp4"]  # refusals of a network are not remembered


@pytest.mark.parametrize(("number", "most_clips"), [(92, 2), (94, 1)])
def test_a_clip_that_hangs_is_found_and_costs_no_other(
    number: int, most_clips: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_chunks, "LOADING_SECONDS", 1.0)
    out = run(tmp_path, {"5.mp4": number}, most_clips=most_clips)
    assert len(out) == N_CLIPS - 1
    assert [(row.clip_id, row.kind) for row in rejects.read(tmp_path / "out" / "rejected.csv")] == [
        ("5.mp4", "timeout")
    ]


def test_shares_are_computed_by_workers_too(tmp_path: Path) -> None:
    asked: list[str] = []
    for shard in ("1/2", "2/2"):
        assert run(tmp_path, {}, shard) == {}
        asked += set(noted(tmp_path)) - {"made"}
    assert sorted(asked) == sorted(f"{k}.mp4" for k in range(N_CLIPS))
    assert len(run(tmp_path, {})) == N_CLIPS
    assert noted(tmp_path) == []
