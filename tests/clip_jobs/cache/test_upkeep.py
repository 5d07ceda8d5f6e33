import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from pipeline.clip_jobs.cache import ClipCache, upkeep
from pipeline.clip_jobs.cache.upkeep import File, Pruned, count_ages, entries, format_size, leftovers, parse_size, prune
from pipeline.errors import ClipError, DataError, ParamsError

ROOT = Path(__file__).parents[3]
PRUNE_WITHOUT_END = """
import sys
from pathlib import Path
from pipeline.clip_jobs.cache.upkeep import prune
while True:
    prune(Path(sys.argv[1]), 2000, dry_run=False)
"""
PRUNE_AS_ANOTHER_USER = """
import os, sys
from pipeline.clip_jobs.cache.upkeep import prune
os.setuid(65534)
try:
    prune(sys.argv[1], 0, dry_run=False)
except Exception as error:
    print(type(error).__name__, error)
"""
N_BYTES = 1000  # of the arrays of an entry
DAY_SECONDS = 86400


def filled(folder: Path, stage: str, n_entries: int) -> ClipCache:
    """The cache of a stage; entry 0 was used longest ago, each one an hour after the one before it."""
    cache = ClipCache(folder / "clips" / stage, "f")
    for number in range(n_entries):
        cache.write(str(number), {"a": np.full(N_BYTES, number, np.uint8)})
        age(cache.path(str(number)), (100 - number) * 3600)
    return cache


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def kept(cache: ClipCache, n_entries: int) -> list[int]:
    return [number for number in range(n_entries) if cache.path(str(number)).exists()]


def size_of(cache: ClipCache) -> int:
    return cache.path("9").stat().st_size


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "cache", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "AVR_CACHE_DIR": str(folder)},
    )


def test_pruning_removes_what_was_not_used_for_longest(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 10)
    done = prune(tmp_path, 4 * size_of(cache), dry_run=False)
    assert kept(cache, 10) == [6, 7, 8, 9]
    assert done == Pruned(6, 0, 6 * size_of(cache))


def test_reading_an_entry_saves_it(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 10)
    cache.read("clip", "0")
    cache.look_up("clip", "1")
    prune(tmp_path, 3 * size_of(cache), dry_run=False)
    assert kept(cache, 10) == [0, 1, 9]


def test_all_stages_share_the_size(tmp_path: Path) -> None:
    logmel, frames = filled(tmp_path, "logmel", 10), filled(tmp_path, "frames", 10)
    prune(tmp_path, 4 * size_of(logmel), dry_run=False)
    assert (kept(logmel, 10), kept(frames, 10)) == ([8, 9], [8, 9])


def test_what_fits_stays(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 10)
    assert prune(tmp_path, 10 * size_of(cache), dry_run=False) == Pruned(0, 0, 0)
    assert kept(cache, 10) == list(range(10))


def test_a_byte_too_much_costs_an_entry(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 10)
    assert prune(tmp_path, 10 * size_of(cache) - 1, dry_run=False) == Pruned(1, 0, size_of(cache))
    assert kept(cache, 10) == list(range(1, 10))


def test_a_dry_run_counts_and_removes_nothing(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 10)
    assert prune(tmp_path, 0, dry_run=True).n_entries == 10
    assert kept(cache, 10) == list(range(10))


def test_only_what_killed_runs_left_over_a_day_ago_is_removed(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 10)
    old, new = (cache.path("9").with_name(name) for name in ("old.safetensors.1.tmp", "new.safetensors.2.tmp"))
    video = tmp_path / "demo" / "f" / "dog" / ".dog_000.mp4.partial"
    video.parent.mkdir(parents=True)
    for path in (old, new, video):
        path.write_bytes(b"half")
        age(path, DAY_SECONDS + (-60 if path == new else 60))
    assert {file.path for file in leftovers(tmp_path)} == {old, video}
    assert prune(tmp_path, 10**9, dry_run=False) == Pruned(0, 2, 8)
    assert [path.exists() for path in (old, new, video)] == [False, True, False]


def act_after_the_look_around(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have a prune find the entries as they are before something happens to them."""

    def found_just_before(folder: Path) -> dict[str, list[File]]:
        found = entries(folder)
        act()
        return found

    monkeypatch.setattr(upkeep, "entries", found_just_before)


def test_an_entry_that_is_used_while_a_prune_looks_around_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = filled(tmp_path, "logmel", 10)
    act_after_the_look_around(monkeypatch, lambda: cache.read("clip", "0"))
    assert prune(tmp_path, 0, dry_run=False).n_entries == 9
    assert kept(cache, 10) == [0]


def test_an_entry_that_another_prune_removes_first_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = filled(tmp_path, "logmel", 10)
    n_bytes = size_of(cache)
    act_after_the_look_around(monkeypatch, cache.path("3").unlink)
    assert prune(tmp_path, 0, dry_run=False) == Pruned(9, 0, 9 * n_bytes)


def test_runs_beside_a_prune_find_intact_entries_or_none(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 10)
    pruning = subprocess.Popen([sys.executable, "-c", PRUNE_WITHOUT_END, str(tmp_path)], cwd=ROOT)
    try:
        while kept(cache, 10) == list(range(10)):
            assert pruning.poll() is None
        n_intact, problems = 0, set()
        while not (n_intact and problems):
            cache.write("0", {"a": np.arange(N_BYTES)})
            try:
                np.testing.assert_array_equal(cache.read("clip", "0")["a"], np.arange(N_BYTES))
                n_intact += 1
            except DataError as error:
                problems.add(str(error).partition(".safetensors: ")[2])
            assert pruning.poll() is None
        assert problems == {"gone; expected the entry that was just there"}  # and not damaged
    finally:
        pruning.kill()
        pruning.wait()


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        *[("0B", 0), (" 12 b ", 12), ("1.5 kb", 1500), ("0.0016KB", 1), ("500MB", 500_000_000), ("5GB", 5 * 10**9)],
        *[("1TB", 10**12), ("1KiB", 1024), ("1.5MiB", 1_572_864), ("2GiB", 2 * 1024**3), ("3TiB", 3 << 40)],
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, n_bytes: int) -> None:
    assert parse_size(text) == n_bytes


@pytest.mark.parametrize(
    "text", ["", "5", "GB", "-5GB", "5XB", "5GBs", "1e3MB", "1,5GB", "1.2.3GB", "5 G B", "5GB, please"]
)
def test_a_size_that_is_none_is_named(text: str) -> None:
    with pytest.raises(
        ParamsError, match=rf"^size '{text}'; expected a number and a unit, such as 500MB, 5GB or 2GiB$"
    ):
        parse_size(text)


def test_sizes_are_shown_with_the_largest_unit_that_fits() -> None:
    assert [format_size(n) for n in (0, 999, 1000, 1_250_000, 10**13)] == [
        "0 B",
        "999 B",
        "1.0 KB",
        "1.2 MB",
        "10.0 TB",
    ]


def test_entries_are_told_apart_by_stage_and_kind(tmp_path: Path) -> None:
    filled(tmp_path, "logmel", 10).write("bad", ClipError("clip", "no_audio", "no sound", "an audio stream"))
    filled(tmp_path, "frames", 2)
    found = entries(tmp_path)
    assert {stage: len(files) for stage, files in found.items()} == {"frames": 2, "logmel": 11}
    assert sum(file.is_refusal() for file in found["logmel"]) == 1


def test_entries_without_a_folder_for_their_stage_are_found_too(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path / "clips", "f")
    cache.write("0", {"a": np.zeros(1)})
    filled(tmp_path, "frames", 1)
    assert {stage: [file.path for file in files] for stage, files in entries(tmp_path).items()}["other"] == [
        cache.path("0")
    ]


def test_a_name_without_a_file_is_no_entry(tmp_path: Path) -> None:
    filled(tmp_path, "logmel", 2)
    (tmp_path / "clips" / "logmel" / "gone.safetensors").symlink_to(tmp_path / "gone")
    assert {stage: len(files) for stage, files in entries(tmp_path).items()} == {"logmel": 2}


def test_an_entry_that_vanishes_is_no_reject(tmp_path: Path) -> None:
    assert File(tmp_path / "gone.safetensors", 8, 0.0).is_refusal() is False


def test_files_are_counted_by_the_days_since_their_use() -> None:
    now = time.time()
    n_days = [0, 0.999, 1.001, 6.999, 7.001, 7.002, 29.999, 30.001, 400, 4000, 40_000]
    files = [File(Path("x"), 1, now - days * 86400) for days in n_days]
    assert count_ages(files) == {"a day": 2, "a week": 2, "a month": 3, "longer": 4}


def test_the_command_shows_stages_ages_and_demo_videos(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 10)
    cache.write("bad", ClipError("clip", "no_audio", "no sound", "an audio stream"))
    video = tmp_path / "demo" / "f" / "dog" / "dog_000.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(bytes(2000))
    half = video.with_name("half.tmp")
    half.write_bytes(bytes(3))
    age(half, 40 * DAY_SECONDS)
    folder, header, *lines = command(tmp_path, "stats").stdout.splitlines()
    assert folder == str(tmp_path)
    assert " ".join(header.split()) == "entries refused size used within a day a week a month longer"
    rows = {line[:12].strip(): line[12:].split() for line in lines}
    size = format_size(10 * size_of(cache) + cache.path("bad").stat().st_size).split()
    assert rows["logmel"] == rows["all stages"] == ["11", "1", *size, "1", "10", "0", "0"]
    assert rows["demo videos"] == ["1", "0", "2.0", "KB", "1", "0", "0", "0"]
    assert rows["left over"] == ["1", "0", "3", "B", "0", "0", "0", "1"]


def test_the_command_prunes(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 10)
    n_bytes = size_of(cache)
    assert command(tmp_path, "prune", "--max-size", "0B", "--dry-run").stdout.startswith("would remove 10 entries")
    assert command(tmp_path, "prune", "--max-size", "0B").stdout == (
        f"removed 10 entries and 0 left over files: {format_size(10 * n_bytes)}\n"
    )
    assert kept(cache, 10) == []


@pytest.mark.parametrize("size", ["much", "5", "1,5GB"])
def test_a_size_that_cannot_be_understood_ends_with_exit_code_2(size: str, tmp_path: Path) -> None:
    done = command(tmp_path, "prune", "--max-size", size)
    assert done.returncode == 2  # as a command line does that cannot be understood
    assert f"--max-size: size '{size}'; expected a number and a unit, such as 500MB, 5GB or 2GiB" in done.stderr


def test_folders_loops_of_links_and_pipes_are_passed_over(tmp_path: Path) -> None:
    cache = filled(tmp_path, "logmel", 2)
    place = cache.path("0").parent
    (place / "folder.safetensors").mkdir()
    (place / "folder.tmp").mkdir()
    (place / "loop.safetensors").symlink_to("loop.safetensors")
    (place / "loop").symlink_to(place)
    os.mkfifo(place / "pipe.safetensors")
    outside = tmp_path / "outside.mp4"
    outside.touch()
    (place / "away.safetensors").symlink_to(outside)
    assert [len(files) for files in entries(tmp_path).values()] == [2]
    assert prune(tmp_path, 0, dry_run=False).n_entries == 2
    assert outside.exists()
    assert command(tmp_path, "stats").stderr == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_entry_that_may_not_be_removed_is_named() -> None:
    with TemporaryDirectory() as folder:  # pytest's own folder is closed to others
        cache = filled(Path(folder), "logmel", 1)
        Path(folder).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", PRUNE_AS_ANOTHER_USER, folder], capture_output=True, text=True, cwd=ROOT
        )
        expected = "Permission denied; expected a folder whose files can be removed"
        assert done.stdout == f"DiskError {cache.path('0')}: {expected}\n"
