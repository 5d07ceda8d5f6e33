import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save, save_file

from pipeline.clip_jobs.cache import ClipCache, Entry
from pipeline.errors import ClipError, DataError, DiskError
from pipeline.formats.files import write_atomically
from pipeline.formats.shards import Arrays

REFUSAL = ClipError("one name", "no_audio", "no sound", "an audio stream")


PEAK = """
import re, sys
from pathlib import Path
import numpy as np
from pipeline.clip_jobs.cache import ClipCache

def peak_megabytes():  # not ru_maxrss: a child takes that over from the process that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6

cache = ClipCache(Path(sys.argv[1]), "f")
"""
WRITE_100_MB = """
array = np.ones((50, 500_000), np.float32)
before = peak_megabytes()
cache.write("input", {"a": array})
print(peak_megabytes() - before)
"""
READ_100_MB = """
before = peak_megabytes()
arrays = cache.read("clip", "input")
print(peak_megabytes() - before)
"""


def test_arrays_come_back_from_the_cache(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", {"a": np.arange(3.0), "b": np.zeros((0, 2), np.uint8)})
    assert cache.look_up("clip", "input") == Entry("done")
    back = cache.read("clip", "input")
    assert back["a"].tolist() == [0, 1, 2]
    assert (back["b"].shape, back["b"].dtype) == ((0, 2), np.uint8)


def test_a_refusal_comes_back_under_the_name_of_the_clip_that_asks(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", REFUSAL)
    state, error = cache.look_up("another name", "input")
    assert state == "refused"
    assert isinstance(error, ClipError)
    assert (error.clip_id, error.kind, error.problem) == ("another name", "no_audio", "no sound")


@pytest.mark.parametrize(("fingerprint", "digest"), [("g", "input"), ("f", "other input")])
def test_another_fingerprint_or_input_finds_nothing(tmp_path: Path, fingerprint: str, digest: str) -> None:
    ClipCache(tmp_path, "f").write("input", {"a": np.zeros(1)})
    assert ClipCache(tmp_path, fingerprint).look_up("clip", digest) == Entry("unknown")


def damaged(data: bytes) -> dict[str, bytes]:
    """What a disk or a person may make of an entry: a bit flipped anywhere, an end cut off, another file."""
    rng = np.random.default_rng(0)
    made = {"empty": b"", "foreign": b"no entry", "other entry": save({"a": np.arange(9.0)})}
    made |= {f"cut at {n}": data[:n] for n in range(0, len(data), 7)}
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        made[f"bit at {place}"] = bytes(flipped)
    return made


def grown_megabytes(work: str, folder: Path) -> float:
    output = subprocess.run(
        [sys.executable, "-c", PEAK + work, str(folder)], capture_output=True, text=True, check=True
    )
    return float(output.stdout)


def served(cache: ClipCache) -> bool:
    """Whether the cache gives out anything for the input."""
    state = cache.look_up("clip", "input").state
    if state != "done":
        return state == "refused"
    try:
        cache.read("clip", "input")
    except DataError:
        return False
    return True


@pytest.mark.parametrize(
    "result", [{"a": np.arange(5.0), "b": np.ones(3, np.uint8)}, REFUSAL], ids=["arrays", "reject"]
)
def test_a_damaged_entry_is_never_served(tmp_path: Path, result: Arrays | ClipError) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", result)
    path = cache.path("input")
    intact = path.read_bytes()
    assert served(cache)
    for damage, data in damaged(intact).items():
        path.write_bytes(data)
        assert not served(cache), damage
        assert not path.exists(), damage


def test_a_refusal_may_name_a_path_that_is_no_utf_8(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", ClipError("one name", "no_audio", "no sound in \udcff.mp4", "an audio stream"))
    _, error = cache.look_up("name", "input")
    assert str(error) == r"clip 'name': no sound in \udcff.mp4; expected an audio stream"


def test_an_entry_that_is_cut_off_counts_as_unknown(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", {"a": np.arange(9.0)})
    path = cache.path("input")
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.look_up("clip", "input") == Entry("unknown")


def test_damaged_arrays_are_named_when_they_are_read(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", {"a": np.arange(9.0)})
    path = cache.path("input")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert cache.look_up("clip", "input") == Entry("done")  # without a look at arrays: thousands are quickly seen
    with pytest.raises(DataError, match=r"clip 'clip': .*damaged \(its content has another hash\); expected an intact"):
        cache.read("clip", "input")


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    caches = [ClipCache(tmp_path / name, "f") for name in "ab"]
    for cache, names in zip(caches, ("xyz", "zyx"), strict=True):
        cache.write("input", {name: np.full(3, ord(name)) for name in names})
    first, second = (cache.path("input").read_bytes() for cache in caches)
    assert first == second


def test_an_entry_that_vanishes_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clip 'clip': .*gone; expected the entry that was just there"):
        ClipCache(tmp_path, "f").read("clip", "input")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text")  # type: ignore[arg-type]  # the failure this test is about
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_or_failing_disk_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def write_half(arrays: Arrays, path: Path, metadata: dict[str, str]) -> None:
        path.write_bytes(save(arrays, metadata)[:50])
        raise SafetensorError(f"I/O error: {os.strerror(number)} (os error {number})")

    cache = ClipCache(tmp_path, "f")
    monkeypatch.setattr("pipeline.clip_jobs.cache.stores.save_file", write_half)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path))
    says = rf"{cache.path('input')}: {os.strerror(number)} \(.* free\); expected .* in AVR_CACHE_DIR, and run again"
    with pytest.raises(DiskError, match=says):
        cache.write("input", {"a": np.zeros(9)})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_two_runs_that_finish_one_clip_at_a_time_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, arrays = ClipCache(tmp_path, "f"), {"a": np.arange(9.0)}

    def save_while_another_run_finishes(found: Arrays, path: Path, metadata: dict[str, str]) -> None:
        save_file(found, path, metadata)
        monkeypatch.undo()
        cache.write("input", arrays)

    monkeypatch.setattr("pipeline.clip_jobs.cache.stores.save_file", save_while_another_run_finishes)
    cache.write("input", arrays)
    np.testing.assert_array_equal(cache.read("clip", "input")["a"], arrays["a"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [cache.path("input")]


def test_an_entry_is_written_without_a_copy_of_its_arrays(tmp_path: Path) -> None:
    assert grown_megabytes(WRITE_100_MB, tmp_path) < 50


def test_reading_an_entry_needs_its_size_once(tmp_path: Path) -> None:
    ClipCache(tmp_path, "f").write("input", {"a": np.ones((50, 500_000), np.float32)})
    assert 100 < grown_megabytes(READ_100_MB, tmp_path) < 150


def test_whoever_may_read_the_folder_may_read_an_entry(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", {"a": np.zeros(9)})
    (tmp_path / "usual").touch()
    assert cache.path("input").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_what_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere/there")
    problems = {"file/entry": "File exists", "file/a/b": "Not a directory", "link/entry": "File exists"}
    for name, problem in problems.items():
        with pytest.raises(
            DiskError, match=rf"{name}: {problem}; expected a folder that can be written \(AVR_CACHE_DIR"
        ):
            write_atomically(tmp_path / name, b"data")
