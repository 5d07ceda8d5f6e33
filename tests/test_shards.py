from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.shards import Arrays, read_shards, write_shards


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
    with pytest.raises(DataError, match=rf"{path.name}: .*expected a safetensors file that write_shards wrote"):
        list(read_shards(tmp_path))


def test_an_array_that_is_a_view_into_another_keeps_its_values(tmp_path: Path) -> None:
    view = np.arange(12.0).reshape(3, 4)[:, 1:3]
    write_shards(tmp_path, ["a"], lambda _: {"x": view})
    ((_, arrays),) = read_shards(tmp_path)
    np.testing.assert_array_equal(arrays["x"], view)
