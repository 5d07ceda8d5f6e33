"""The clip cache in an object store: in moto's, which Amazon's own client looks into, and in one of this process."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import s3fs

from pipeline.clip_jobs.cache import ClipCache, Entry
from pipeline.clip_jobs.cache.object_upkeep import stored_entries
from pipeline.clip_jobs.cache.upkeep import Pruned, prune_store
from pipeline.errors import ClipError, DataError, DiskError, ParamsError
from pipeline.formats.shards import Arrays
from tests.clip_jobs.cache.test_cache import damaged, served
from tests.helpers.clip_folder import CONTENTS, SIZES, Folder
from tests.helpers.file_server import file_server
from tests.helpers.moto_store import BUCKET, empty, moto_store, objects, put

ROOT = Path(__file__).parents[3]
REFUSAL = ClipError("one name", "no_audio", "no sound", "an audio stream")
ARRAYS: Arrays = {"a": np.arange(2000.0), "b": np.zeros((0, 2), np.uint8)}  # 16 kB: too large for a refusal
SMALL: Arrays = {"a": np.arange(5.0), "b": np.ones(3, np.uint8)}


@pytest.fixture(scope="module")
def _server() -> Iterator[None]:
    with moto_store():
        yield


@pytest.fixture
def url(_server: None) -> str:
    empty()
    return f"s3://{BUCKET}/some/cache"


@pytest.fixture
def memory() -> Iterator[str]:
    """A store in this process."""
    yield "memory://cache"
    fsspec.filesystem("memory").store.clear()


def stored() -> dict[str, bytes]:
    files = fsspec.filesystem("memory")
    return {path: files.cat_file(path) for path in files.find("/cache")}


def test_results_come_back_and_are_the_bytes_of_a_folder_s_entries(url: str, tmp_path: Path) -> None:
    remote, folder = ClipCache(url, "f"), ClipCache(tmp_path, "f")
    for digest, result in (("large", ARRAYS), ("small", SMALL), ("bad", REFUSAL)):
        remote.write(digest, result)
        folder.write(digest, result)
    looked = remote.look_up_all({name: name for name in ("large", "small", "bad", "new")})
    assert [looked[name].state for name in ("large", "small", "bad", "new")] == ["done", "done", "refused", "unknown"]
    assert str(looked["bad"].refusal) == "clip 'bad': no sound; expected an audio stream"
    back = remote.read("clip", "large")
    np.testing.assert_array_equal(back["a"], ARRAYS["a"])
    assert (back["b"].shape, back["b"].dtype) == ((0, 2), np.uint8)
    found = {key.removeprefix("some/cache/f/"): data for key, data in objects().items()}
    assert found == {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.safetensors")}


def test_another_fingerprint_or_input_finds_nothing(url: str) -> None:
    ClipCache(url, "f").write("input", ARRAYS)
    assert ClipCache(url, "g").look_up("clip", "input") == Entry("unknown")
    assert ClipCache(url, "f").look_up("clip", "other input") == Entry("unknown")


def test_arrays_are_read_in_the_order_that_is_asked_for(url: str) -> None:
    cache = ClipCache(url, "f")
    for number in range(30):
        cache.write(str(number), {"a": np.array([number])})
    order = [str(7 * number % 30) for number in range(30)]
    found = list(cache.read_all((name, name) for name in [*order, "gone"]))
    assert [int(arrays["a"][0]) for arrays in found[:-1] if isinstance(arrays, dict)] == list(map(int, order))
    assert isinstance(found[-1], DataError)
    assert str(found[-1]).endswith("gone; expected the entry that was just there")


def test_looking_up_opens_no_entry_with_arrays(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ClipCache(memory, "f")
    names = [str(number) for number in range(300)]
    for name in names:
        cache.write(name, ARRAYS)
    files, listed = type(fsspec.filesystem("memory")), []
    ls = files.ls
    monkeypatch.setattr(files, "ls", lambda self, path, **rest: listed.append(path) or ls(self, path, **rest))
    monkeypatch.setattr(files, "cat_file", None)
    assert {entry.state for entry in cache.look_up_all({name: name for name in names}).values()} == {"done"}
    assert len(listed) == len(set(listed)) <= 256


@pytest.mark.parametrize("result", [SMALL, ARRAYS, REFUSAL], ids=["small arrays", "arrays", "reject"])
def test_a_damaged_entry_is_never_served_and_removed(memory: str, result: Arrays | ClipError) -> None:
    cache = ClipCache(memory, "f")
    cache.write("input", result)
    ((path, intact),) = stored().items()
    assert served(cache)
    damages = damaged(intact[:900])  # header and first numbers; of large arrays the rest is damaged below
    for damage, start in damages.items():
        whole = len(intact) > 900 and damage.startswith("bit")
        fsspec.filesystem("memory").pipe_file(path, start + intact[900:] if whole else start)
        assert not served(cache), damage
        assert stored() == {}, damage


def test_an_entry_that_was_copied_to_another_name_is_never_served(url: str) -> None:
    cache = ClipCache(url, "f")
    cache.write("one", ARRAYS)
    ((_, data),) = objects().items()
    cache.write("other", {"a": np.zeros(2000)})
    (place,) = (key for key, found in objects().items() if found != data)
    put(place, data)
    with pytest.raises(DataError, match=r"clip 'clip': s3://.*: damaged \(made for the key .*\); expected an intact"):
        cache.read("clip", "other")
    assert list(objects().values()) == [data]


def test_a_cache_goes_to_another_process_as_its_url(url: str) -> None:
    cache = ClipCache(url, "f")
    cache.write("input", ARRAYS)
    back = pickle.loads(pickle.dumps(cache))
    assert back.look_up("clip", "input") == Entry("done")


@pytest.mark.usefixtures("_workers_start_warm", "_two_workers")
def test_workers_put_their_results_there_and_the_loop_finds_them(url: str, tmp_path: Path) -> None:
    contents = {**CONTENTS, "b.mp4": b"bad"}
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    plain, remote = Folder(tmp_path / "here", contents), Folder(tmp_path / "there", contents, url)
    assert plain.run() == remote.run() == SIZES
    assert remote.out_bytes() == plain.out_bytes()
    assert remote.run() == SIZES
    assert remote.asked() == []
    flipped, shortened = sorted(objects())[:2]
    data = objects()
    put(flipped, data[flipped][:-1] + bytes([data[flipped][-1] ^ 1]))
    put(shortened, data[shortened][:-1])
    assert remote.run() == SIZES
    assert len(remote.asked()) == 2
    assert remote.out_bytes() == plain.out_bytes()
    assert list((tmp_path / "there").glob("s3*")) == []  # the URL is no folder


def test_a_bucket_that_is_not_there_is_named_before_anything_is_computed(url: str) -> None:
    cache = ClipCache("s3://nowhere/cache", "f")
    with pytest.raises(DiskError, match=r"^s3://nowhere/cache/f: no bucket 'nowhere'; expected a store that answers"):
        cache.look_up("clip", "input")
    with pytest.raises(DiskError, match=r"^s3://nowhere/cache/f/.*: The specified bucket does not exist; expected a"):
        cache.write("input", SMALL)


def test_a_store_that_may_not_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with file_server() as closed:
        monkeypatch.setenv("AWS_ENDPOINT_URL", closed.url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        s3fs.S3FileSystem.clear_instance_cache()
        closed.statuses |= {"bucket": 403}
        cache = ClipCache("s3://bucket/cache", "f")
        with pytest.raises(DiskError, match=r"^s3://bucket/cache/f/\w\w: it may not be used with these rights; expect"):
            cache.look_up("clip", "input")
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_store_that_is_gone_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with file_server() as gone:
        monkeypatch.setenv("AWS_ENDPOINT_URL", gone.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(
        DiskError, match=r"^s3://bucket/cache/f/\w\w.*: Could not connect to the endpoint URL: .*; expect"
    ):
        ClipCache("s3://bucket/cache", "f").read("clip", "input")
    s3fs.S3FileSystem.clear_instance_cache()


def test_without_the_package_of_a_protocol_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for protocol, package in (("s3", "s3fs"), ("gs", "gcsfs")):
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, protocol, raising=False)
        monkeypatch.setitem(sys.modules, package, None)
    for start, needed in (("s3://b/c", r"the extra `s3`: '\.\[s3\]'"), ("gs://b/c", "the package gcsfs")):
        with pytest.raises(ParamsError, match=rf"^AVR_CACHE_DIR='{start}/f': .*; expected {needed}$"):
            ClipCache(start, "f").look_up("clip", "input")


def test_pruning_removes_what_was_written_first(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for stage in ("frames", "logmel"):
        for number in range(4):
            ClipCache(f"{memory}/clips/{stage}", "f").write(str(number), ARRAYS)
    found = stored_entries(memory)
    assert {stage: len(entries) for stage, entries in found.items()} == {"frames": 4, "logmel": 4}
    n_bytes = found["frames"][0].n_bytes
    assert prune_store(memory, 3 * n_bytes, dry_run=True) == Pruned(5, 0, 5 * n_bytes)
    assert len(stored()) == 8
    assert prune_store(memory, 3 * n_bytes, dry_run=False) == Pruned(5, 0, 5 * n_bytes)
    assert {stage: len(entries) for stage, entries in stored_entries(memory).items()} == {"logmel": 3}
    assert prune_store("memory://nothing", 0, dry_run=False) == Pruned(0, 0, 0)


def test_the_commands_look_into_the_store(url: str, tmp_path: Path) -> None:
    for stage, n_entries in (("frames", 1), ("logmel", 3)):
        for number in range(n_entries):
            ClipCache(f"{url}/clips/{stage}", "f").write(str(number), ARRAYS)

    def said(*words: str) -> list[str]:
        env = {**os.environ, "AVR_CACHE_DIR": f"{url}/", "XDG_CACHE_HOME": str(tmp_path)}
        command = [sys.executable, "-m", "pipeline", "cache", *words]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=env, check=True
        ).stdout.splitlines()

    place, header, *lines = said("stats")
    assert place == url
    assert " ".join(header.split()) == "entries refused size written within a day a week a month longer"
    rows = {line[:12].strip(): line[12:].split() for line in lines}
    assert (rows["frames"][:2], rows["logmel"][:2], rows["all stages"][:2]) == (["1", "-"], ["3", "-"], ["4", "-"])
    assert said("prune", "--max-size", "40KB")[0].startswith("removed 2 entries and 0 left over files")
    assert len(objects()) == 2
