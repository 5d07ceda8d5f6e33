import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from pipeline.errors import DataError
from pipeline.formats import shards
from pipeline.formats.shards import Arrays, StoredRows, arrays_sha256, open_shards, read_shards, write_shards

READ_IN_A_CHILD = """
import re, sys
from pathlib import Path
from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.loop import Job, has_rows, map_shards
from pipeline.clip_jobs.share import Share

def peak_mebibytes():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def embed(clips):
    for clip_id, rows in clips:
        yield clip_id, sum(rows[start : start + 32].sum() for start in range(0, len(rows), 32)).reshape(1, 1)

folder = Path(sys.argv[1])
job = Job("stage", ClipCache(folder / "cache", ""), folder / "out", Share(1, 1))
before = peak_mebibytes()
assert has_rows(folder / "in")
map_shards(job, folder / "in", lambda arrays: arrays["examples"], lambda: embed)
print("grown by", peak_mebibytes() - before)
"""


def make(n: int) -> dict[str, Arrays]:
    rng = np.random.default_rng(0)
    return {
        f"c{i % 3}/clip: {i}.mp4": {
            "jpeg": rng.integers(0, 256, rng.integers(0, 50), dtype=np.uint8),
            "seconds": rng.random(i % 4),
        }
        for i in range(n)
    }


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    clips = make(100)
    write_shards(tmp_path, clips, clips.__getitem__)
    back = dict(read_shards(tmp_path))
    assert back.keys() == clips.keys()
    for clip_id, arrays in clips.items():
        assert {name: (a.dtype, a.tolist()) for name, a in arrays.items()} == {
            name: (a.dtype, a.tolist()) for name, a in back[clip_id].items()
        }


def test_the_bytes_do_not_depend_on_the_order_of_the_clips(tmp_path: Path) -> None:
    clips = make(60)
    write_shards(tmp_path / "a", clips, clips.__getitem__)
    write_shards(tmp_path / "b", reversed(clips), clips.__getitem__)
    a, b = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab")
    assert a == b


def test_one_clip_more_rewrites_one_shard(tmp_path: Path) -> None:
    clips = make(101)
    write_shards(tmp_path / "a", list(clips)[:100], clips.__getitem__)
    write_shards(tmp_path / "b", clips, clips.__getitem__)
    a, b = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab")
    assert sum(a.get(name) != data for name, data in b.items()) == 1


def test_shards_of_an_earlier_run_and_of_clips_without_arrays_are_not_there(tmp_path: Path) -> None:
    clips = make(100)
    write_shards(tmp_path / "a", clips, clips.__getitem__)
    write_shards(tmp_path / "a", clips, lambda clip_id: clips[clip_id] if clip_id == "c0/clip: 3.mp4" else {})
    write_shards(tmp_path / "b", ["c0/clip: 3.mp4"], clips.__getitem__)
    a, b = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab")
    assert a == b


def test_a_clip_lies_in_the_shard_that_a_hash_of_its_id_names(tmp_path: Path) -> None:
    clips = make(100)
    write_shards(tmp_path / "a" / "new" / "folder", clips, clips.__getitem__)
    for path in (tmp_path / "a" / "new" / "folder").iterdir():
        with safe_open(path, framework="numpy") as shard:
            clip_ids = {key.split(":", 1)[1] for key in shard.keys()}  # noqa: SIM118 - no dict
        numbers = {int(hashlib.sha256(clip_id.encode()).hexdigest()[:16], 16) % 32 for clip_id in clip_ids}
        assert [path.name] == [f"shard-{number:02}-of-32.safetensors" for number in numbers]


def test_clips_come_in_the_order_of_the_shards_and_of_their_ids(tmp_path: Path) -> None:
    clips = make(100)
    write_shards(tmp_path, reversed(clips), clips.__getitem__)
    shard_of = {clip_id: int(hashlib.sha256(clip_id.encode()).hexdigest()[:16], 16) % 32 for clip_id in clips}
    expected = sorted(clips, key=lambda clip_id: (shard_of[clip_id], clip_id))
    assert [clip_id for clip_id, _ in read_shards(tmp_path)] == expected


def test_only_wanted_clips_are_read(tmp_path: Path) -> None:
    clips = make(20)
    write_shards(tmp_path, clips, clips.__getitem__)
    wanted = {"c0/clip: 3.mp4", "c1/clip: 4.mp4"}
    assert {clip_id for clip_id, _ in read_shards(tmp_path, wanted.__contains__)} == wanted


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    clips = make(1)
    write_shards(tmp_path, clips, clips.__getitem__)
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{path.name}: \S.*; expected an intact safetensors file$"):
        list(read_shards(tmp_path))


def test_an_array_that_is_a_view_into_another_keeps_its_values(tmp_path: Path) -> None:
    view = np.arange(12.0).reshape(3, 4)[:, 1:3]
    write_shards(tmp_path, ["a"], lambda _: {"x": view})
    ((_, arrays),) = read_shards(tmp_path)
    np.testing.assert_array_equal(arrays["x"], view)


def one_clip(folder: Path, array: np.ndarray) -> StoredRows:
    """An array as a folder of shards gives it back."""
    write_shards(folder, ["a"], lambda _: {"x": array})
    ((_, arrays),) = open_shards(folder)
    return arrays["x"]


@pytest.mark.parametrize("rows", [slice(0, 2), slice(3, 99), slice(2, 2), slice(5, 1), slice(-2, None), slice(None)])
def test_a_slice_of_rows_in_a_file_is_that_of_the_array(rows: slice, tmp_path: Path) -> None:
    array = np.arange(42.0, dtype=np.float32).reshape(7, 3, 2)
    stored = one_clip(tmp_path, array)
    assert (len(stored), stored.shape, stored.dtype) == (7, (7, 3, 2), np.float32)
    np.testing.assert_array_equal(stored[rows], array[rows])


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])
def test_every_type_of_number_comes_back(dtype: str, tmp_path: Path) -> None:
    for shape in [(3, 2), (0, 2)]:
        array = np.array(np.random.default_rng(0).integers(0, 99, shape), dtype)
        back = one_clip(tmp_path, array)[:]
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, shape, array.tobytes())


@pytest.mark.parametrize("n_at_a_time", [1, 7, 1000])
def test_the_hash_is_that_of_all_bytes_wherever_they_lie(
    n_at_a_time: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "HASHED_AT_A_TIME", n_at_a_time)
    array = np.random.default_rng(0).random((5, 4))
    expected = hashlib.sha256(b"x:float64:(5, 4)" + array.tobytes()).hexdigest()
    assert arrays_sha256({"x": array}) == arrays_sha256({"x": one_clip(tmp_path, array)}) == expected


def test_the_hash_does_not_depend_on_the_order_of_the_names() -> None:
    a, b = np.arange(3), np.arange(4.0)
    assert arrays_sha256({"a": a, "b": b}) == arrays_sha256({"b": b, "a": a}) != arrays_sha256({"a": b, "b": a})


def test_a_shard_that_becomes_shorter_is_named(tmp_path: Path) -> None:
    stored = one_clip(tmp_path, np.arange(20.0).reshape(10, 2))
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        DataError, match=rf"{path.name}: it became shorter while it was read; expected a file that stays as it is$"
    ):
        stored[5:10]


def test_numbers_that_numpy_does_not_know_are_refused(tmp_path: Path) -> None:
    header = json.dumps({"x:a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    (tmp_path / "shard-00-of-32.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))
    with pytest.raises(DataError, match=r"numbers of type 'BF16'; expected an intact safetensors file"):
        list(read_shards(tmp_path))


def test_a_clip_of_200_mebibytes_never_lies_in_memory(tmp_path: Path) -> None:
    examples = np.ones((100 << 9, 32, 32), np.float32)  # 200 MiB
    write_shards(tmp_path / "in", ["long"], lambda _: {"examples": examples, "seconds": np.zeros(1)})
    command = [sys.executable, "-c", READ_IN_A_CHILD, str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert float(output.split()[-1]) < 50
