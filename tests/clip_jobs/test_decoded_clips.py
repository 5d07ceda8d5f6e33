"""Clips that go from the workers that decode them straight through a network, short ones and long ones."""

import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache, Entry
from pipeline.clip_jobs.decoded_clips import EmbeddingCache, map_decoded
from pipeline.clip_jobs.engines import prepare, processes
from pipeline.clip_jobs.engines.base import do_nothing
from pipeline.clip_jobs.handed_over import MOST_CARRIED_BYTES, Decoding
from pipeline.clip_jobs.loop import Job
from pipeline.clip_jobs.shard_chunks import NetworkWorkers
from pipeline.clip_jobs.share import Share
from pipeline.clip_jobs.worker import VideoFunction
from pipeline.errors import ClipError, DataError
from pipeline.formats import rejects
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import Arrays, Rows, StoredRows, read_shards
from pipeline.settings.limits import Limits, load_limits
from tests.helpers.clip_work import rows_of_number, rows_of_size
from tests.helpers.network_work import WORDS, ObedientNetwork, rows_in
from tests.helpers.project import ROOT

LONG = (MOST_CARRIED_BYTES >> 20) + 1  # rows
Log = list[tuple[str, str]]


@pytest.fixture(scope="module", autouse=True)
def _workers_start_warm() -> None:
    prepare(["pipeline.clip_jobs.decoded_clips", "tests.helpers.clip_work", "tests.helpers.network_work"])


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Limits:
    """Those of the project; the current folder is an empty one, and so is that of temporary files."""
    monkeypatch.setenv("AVR_WORKERS", "2")
    monkeypatch.chdir(ROOT)
    return load_limits()


class UntimedCache(ClipCache):
    """A cache that only works while no time limit runs."""

    def look_up_all(self, inputs: Mapping[str, str]) -> dict[str, Entry]:
        check_untimed()
        return super().look_up_all(inputs)

    def read(self, clip_id: str, input_hash: str) -> Arrays:
        check_untimed()
        return super().read(clip_id, input_hash)

    def write(self, input_hash: str, result: Arrays | ClipError) -> None:
        check_untimed()
        super().write(input_hash, result)


class UntimedEmbeddingCache(UntimedCache, EmbeddingCache):
    """One of embeddings."""


def check_untimed() -> None:
    if signal.getitimer(signal.ITIMER_REAL)[0]:
        raise DataError("a time limit runs; expected none")


def prepared(
    folder: Path, limits: Limits, texts: dict[str, str], function: VideoFunction = rows_of_size
) -> tuple[Job, Decoding]:
    """What it takes to map clips of these texts."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    clips = {name: Clip(clip_id=name, path=name, label="", sha256=file_sha256(folder / name)) for name in texts}
    decoded = ClipCache(folder / "cache/frames", "pictures")
    job = Job("network", EmbeddingCache(folder / "cache/network", "both", decoded), folder / "out", Share(1, 1))
    return job, Decoding(clips, folder, lambda: function, decoded, 60.0, limits, folder)


def refused(folder: Path) -> dict[str, tuple[str, str]]:
    """The stage and the kind of every clip that is refused."""
    return {row.clip_id: (row.stage, row.kind) for row in rejects.read(folder / "out" / rejects.FILE)}


def run(
    folder: Path,
    limits: Limits,
    texts: dict[str, str],
    max_rejected_fraction: float = 1.0,
    embeds: Callable[[str], bool] = lambda _: True,
    uncounted: tuple[str, ...] = (),
    missing: tuple[str, ...] = (),
) -> tuple[dict[str, Arrays], Log]:
    """The out of clips of these texts, and which of them came to the network, with the kind of their rows."""
    job, decoding = prepared(folder, limits, texts)
    for name in missing:
        (folder / name).unlink()
    log: Log = []

    def embed(stream: Iterable[tuple[str, Rows]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for clip_id, rows in stream:
            log.append((clip_id, "stored" if isinstance(rows, StoredRows) else "in memory"))
            if not embeds(clip_id):
                raise ZeroDivisionError(clip_id)
            yield clip_id, rows[:][:, :2].astype(np.float32)

    chosen = max_rejected_fraction, uncounted
    map_decoded(job, decoding, "frames", rows_in, lambda: embed, *chosen, lambda: nullcontext(None))
    return dict(read_shards(folder / "out")), log


def test_a_long_clip_travels_in_a_file_and_none_of_it_is_left(
    tmp_path: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    out, log = run(tmp_path, limits, {"long": f"{LONG}", "short": "2", "same": "2"})
    assert {name: arrays["embeddings"].tolist() for name, arrays in out.items()} == {
        "long": [[LONG] * 2] * LONG,
        "short": [[2, 2]] * 2,
        "same": [[2, 2]] * 2,
    }
    assert out["long"]["seconds"].tolist() == list(range(LONG))
    assert sorted(log) == [("long", "stored"), ("short", "in memory")]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not list((tmp_path / "cache/frames").rglob("*.safetensors"))
    again, log = run(tmp_path, limits, {"long": f"{LONG}", "short": "2"})
    assert log == []
    assert sorted(again) == ["long", "short"]


def test_each_refusal_names_the_stage_it_comes_from_and_costs_no_other_clip(tmp_path: Path, limits: Limits) -> None:
    texts = {"a": "1", "b": "bad", "c": "abort", "d": "2", "e": "3", "f": "broken"}
    out, _ = run(tmp_path, limits, texts, embeds=lambda name: name != "d")
    assert sorted(out) == ["a", "e"]
    assert refused(tmp_path) == {
        "b": ("frames", "no_audio"),
        "c": ("frames", "crashed"),
        "d": ("network", "failed"),
        "f": ("frames", "failed"),
    }
    out, log = run(tmp_path, limits, texts)
    assert sorted(out) == ["a", "d", "e"]
    assert [name for name, _ in log] == ["d"]  # what is true of a clip is remembered, and said of the same stage
    assert refused(tmp_path) == {"b": ("frames", "no_audio"), "c": ("frames", "crashed"), "f": ("frames", "failed")}


def test_a_clip_of_equal_bytes_does_not_change_the_stage_that_refused_another(tmp_path: Path, limits: Limits) -> None:
    run(tmp_path, limits, {"a": "1", "b": "1", "c": "1"}, embeds=lambda _: False, missing=("a",))
    assert refused(tmp_path) == {
        "a": ("frames", "unreadable"),
        "b": ("network", "failed"),
        "c": ("network", "failed"),  # as b, which stands for it
    }


def test_what_keeps_all_clips_from_being_decoded_stops_the_run_and_refuses_none(
    tmp_path: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"none/\.decoded-"):
        run(tmp_path, limits, {"a": "1", "b": "2"})
    assert not (tmp_path / "out").exists()


@pytest.mark.timeout(method="thread")  # the other method has the alarm that is looked at
def test_no_time_of_the_network_passes_while_caches_are_looked_up_read_and_written(
    tmp_path: Path, limits: Limits
) -> None:
    job, decoding = prepared(tmp_path, limits, {"a": "1", "b": "2"})
    decoded = UntimedCache(tmp_path / "cache/frames", "pictures")
    for clip in decoding.clips.values():
        decoded.write(clip.sha256, {"rows": np.ones((2, 3)), "seconds": np.arange(2.0)})
    untimed = UntimedEmbeddingCache(tmp_path / "cache/network", "both", decoded)

    def embed(stream: Iterable[tuple[str, Rows]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        assert signal.getitimer(signal.ITIMER_REAL)[0]
        yield from ((clip_id, rows[:].astype(np.float32)) for clip_id, rows in stream)

    chosen = "frames", rows_in, lambda: embed, 1.0, (), lambda: nullcontext(None)
    map_decoded(job._replace(cache=untimed), decoding._replace(cache=decoded), *chosen)
    assert sorted(dict(read_shards(tmp_path / "out"))) == ["a", "b"]


def test_a_clip_that_ends_the_process_of_its_network_costs_itself_alone(tmp_path: Path, limits: Limits) -> None:
    texts = {f"{k}": f"{k}" for k in range(20)} | {"first": "90", "second": "90"}
    assert WORDS[90] == "abort"
    job, decoding = prepared(tmp_path, limits, texts, rows_of_number)
    workers = NetworkWorkers(ObedientNetwork(tmp_path / "log"), processes.run, 2, do_nothing, 0, 64)
    map_decoded(job, decoding, "frames", rows_in, None, 1.0, (), lambda: nullcontext(workers))  # type: ignore[arg-type]
    out = {name: arrays["embeddings"].tolist() for name, arrays in read_shards(tmp_path / "out")}
    assert out == {f"{k}": [[10.0 * k] * 3] * 2 for k in range(20)}
    assert refused(tmp_path) == dict.fromkeys(("first", "second"), ("network", "crashed"))
    asked = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert all(asked.count(name) == 1 for name in out)  # what was finished before it stays


def test_too_many_refused_clips_stop_the_run_unless_their_kind_does_not_count(tmp_path: Path, limits: Limits) -> None:
    texts = {"a": "1", "b": "bad"}
    with pytest.raises(DataError, match=r"1 of 2 clips rejected \(1 no_audio\)"):
        run(tmp_path, limits, texts, 0.4)
    assert sorted(run(tmp_path, limits, texts, 0.4, uncounted=("no_audio",))[0]) == ["a"]
