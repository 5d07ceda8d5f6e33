"""An entry is served for the key it was made for, and for no other, whatever somebody does to the folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from pipeline.clip_jobs.cache import ClipCache, Entry
from pipeline.errors import ClipError, DataError

REFUSAL = ClipError("clip", "no_audio", "no sound", "an audio stream")
Result = dict[str, np.ndarray] | ClipError


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def copy(one: Path, other: Path) -> None:
    shutil.copy(other, one)


def rename(one: Path, other: Path) -> None:
    other.replace(one)


def link(one: Path, other: Path) -> None:
    one.unlink()
    one.symlink_to(other)


def hard_link(one: Path, other: Path) -> None:
    one.unlink()
    one.hardlink_to(other)


@pytest.fixture
def cache(tmp_path: Path) -> ClipCache:
    return ClipCache(tmp_path / "cache", "f")


def is_unknown(cache: ClipCache, input_hash: str) -> bool:
    return cache.look_up("clip", input_hash) == Entry("unknown")


@pytest.mark.parametrize("move", [swap, copy, rename, link, hard_link])
@pytest.mark.parametrize("others", [{"a": np.zeros(3)}, REFUSAL], ids=["arrays", "refusal"])
def test_the_entry_of_another_input_is_damage(
    cache: ClipCache, move: Callable[[Path, Path], None], others: Result
) -> None:
    cache.write("mine", {"a": np.ones(3)})
    cache.write("other", others)
    move(cache.path("mine"), cache.path("other"))
    assert is_unknown(cache, "mine")
    assert not os.path.lexists(cache.path("mine"))
    cache.write("mine", {"a": np.ones(3)})
    assert cache.read("clip", "mine")["a"].tolist() == [1, 1, 1]


def test_an_entry_made_by_other_parameters_is_damage(cache: ClipCache, tmp_path: Path) -> None:
    others = ClipCache(tmp_path / "cache", "other parameters")
    others.write("input", {"a": np.zeros(3)})
    cache.path("input").parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(others.path("input"), cache.path("input"))
    with pytest.raises(DataError, match=r"damaged \(made for the key \w{12}\); expected an intact entry"):
        cache.read("clip", "input")
    assert is_unknown(cache, "input")


def test_a_link_to_an_entry_outside_of_the_folder_is_not_followed(cache: ClipCache, tmp_path: Path) -> None:
    cache.write("input", {"a": np.ones(3)})
    outside = cache.path("input").rename(tmp_path / "outside")
    cache.path("input").symlink_to(outside)
    assert is_unknown(cache, "input")
    assert outside.exists()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_no_entry(cache: ClipCache, make: Callable[[Path], None]) -> None:
    cache.path("input").parent.mkdir(parents=True)
    make(cache.path("input"))
    assert is_unknown(cache, "input")


AS_ANOTHER_USER = """
import os, sys
import numpy as np
from pipeline.clip_jobs.cache import ClipCache
os.setuid(65534)
cache = ClipCache(sys.argv[1], "f")
print([cache.look_up("clip", name).state for name in ("1", "2")])
cache.write("1", {"a": np.ones(2)})
print(cache.look_up("clip", "1").state, cache.read("clip", "1")["a"].sum())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_private_entries_of_another_user_are_computed_again_with_one_line() -> None:
    with TemporaryDirectory() as folder:  # pytest's own folder is closed to others
        cache = ClipCache(folder, "f")
        for name in ("1", "2"):
            cache.write(name, {"a": np.zeros(2)})
            cache.path(name).chmod(0o600)
            cache.path(name).parent.chmod(0o777)
        Path(folder).chmod(0o777)
        done = subprocess.run([sys.executable, "-c", AS_ANOTHER_USER, folder], capture_output=True, text=True)
    assert done.stdout == "['unknown', 'unknown']\ndone 2.0\n"
    assert done.stderr == f"{folder}: Permission denied; entries that cannot be read are computed again\n"


@pytest.mark.parametrize(("umask", "file", "folder"), [(0o002, 0o664, 0o775), (0o077, 0o600, 0o700)])
def test_who_may_use_an_entry_is_what_the_umask_says(tmp_path: Path, umask: int, file: int, folder: int) -> None:
    cache, before = ClipCache(tmp_path / "cache", "f"), os.umask(umask)
    try:
        cache.write("input", {"a": np.zeros(3)})
    finally:
        os.umask(before)
    path = cache.path("input")
    modes = [place.stat().st_mode & 0o777 for place in (path, path.parent, path.parent.parent)]
    assert modes == [file, folder, folder]
