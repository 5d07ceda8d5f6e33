"""The loop over clips: what is computed, what is kept, and what a second run finds."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.loop import write_nothing
from pipeline.formats import rejects
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from tests.helpers.clip_folder import CONTENTS, SIZES, Folder

pytestmark = pytest.mark.usefixtures("_workers_start_warm", "_two_workers")


def test_every_clip_gets_its_result(tmp_path: Path) -> None:
    assert Folder(tmp_path, CONTENTS).run() == SIZES


def test_a_second_run_computes_nothing_and_writes_the_same_bytes(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    folder.run()
    before = folder.out_bytes()
    for path in folder.out.iterdir():
        path.unlink()
    folder.run()
    assert folder.asked() == []
    assert folder.out_bytes() == before


def test_the_windows_of_a_file_are_computed_once_under_its_name(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    folder.run()
    before = folder.out_bytes()
    for path in folder.out.iterdir():
        path.unlink()
    first, *others = folder.clips
    folder.write([*(first.part(k, k + 10.0) for k in range(5)), *others])
    assert folder.run() == SIZES
    assert folder.asked() == []
    assert folder.out_bytes() == before
    shutil.rmtree(tmp_path / "cache")
    folder.run()
    assert folder.asked() == sorted(CONTENTS)


def test_only_a_new_clip_is_computed(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    folder.run()
    folder.set({**CONTENTS, "new.mp4": b"12345"})
    assert folder.run()["new.mp4"] == 5
    assert folder.asked() == ["new.mp4"]


def test_a_run_that_is_stopped_halfway_keeps_what_it_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_WORKERS", "1")
    folder = Folder(tmp_path, {**CONTENTS, "8.mp4": b"interrupt"})
    with pytest.raises(KeyboardInterrupt):
        folder.run()
    folder.set(CONTENTS)
    assert folder.run() == SIZES
    assert folder.asked() == ["8.mp4"]


def test_an_entry_that_is_damaged_or_lost_is_computed_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    folder.run()
    before = folder.out_bytes()
    flipped, shortened, lost = sorted(tmp_path.glob("cache/*/*"))[:3]
    data = flipped.read_bytes()
    flipped.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))  # seen only when its arrays are read
    shortened.write_bytes(shortened.read_bytes()[:-1])
    lost.unlink()
    assert folder.run() == SIZES
    assert len(folder.asked()) == 3
    assert folder.out_bytes() == before


def test_a_stage_that_has_nothing_to_do_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_nothing(tmp_path / "logmel")
    assert capsys.readouterr().out == "logmel: nothing to do, no clip has a video\n"
    assert rejects.read(tmp_path / "logmel" / "rejected.csv") == []


def test_a_clip_that_changed_since_the_scan_is_refused_for_this_run_only(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    (folder.root / "3.mp4").write_bytes(b"other")
    assert "3.mp4" not in folder.run()
    assert folder.kinds() == {"3.mp4": "changed"}
    (folder.root / "3.mp4").write_bytes(CONTENTS["3.mp4"])
    assert "3.mp4" in folder.run()


@pytest.mark.parametrize("then", ["fine", "bad"])
def test_what_comes_of_a_clip_that_is_overwritten_while_it_is_decoded_is_not_kept(tmp_path: Path, then: str) -> None:
    contents = {**CONTENTS, "b.mp4": f"overwritten {then}".encode()}
    folder = Folder(tmp_path, contents)
    assert folder.run() == SIZES
    assert folder.kinds() == {"b.mp4": "changed"}
    folder.set(contents)
    folder.run()
    assert folder.asked() == ["b.mp4"]


def test_a_clip_that_is_only_touched_while_it_is_decoded_is_kept(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {"a.mp4": b"touched fine", **CONTENTS})
    assert folder.run() == {"a.mp4": 12, **SIZES}
    folder.run()
    assert folder.asked() == []


def test_a_damaged_entry_whose_clip_is_gone_costs_that_clip_only(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    folder.run()
    entry = ClipCache(tmp_path / "cache", "fingerprint").path(file_sha256(folder.root / "3.mp4"))
    entry.write_bytes(entry.read_bytes()[:-1] + b"!")  # seen only when its arrays are read
    (folder.root / "3.mp4").unlink()
    assert folder.run() == {name: size for name, size in SIZES.items() if name != "3.mp4"}
    assert folder.kinds() == {"3.mp4": "unreadable"}
    assert len(folder.out_bytes()) == len(SIZES) - 1 + 1  # no two of them share a shard, and one without clips is none


def test_a_clip_that_is_gone_is_refused(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    folder.write([*folder.clips, replace(folder.clips[0], clip_id="gone.mp4", path="gone.mp4", sha256="")])
    folder.run()
    reason = "clip 'gone.mp4': gone.mp4: No such file or directory; expected a file that can be read"
    assert rejects.read(folder.out / "rejected.csv") == [rejects.Reject("gone.mp4", "stage", "unreadable", reason)]


def test_a_clip_without_a_video_is_no_work(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    folder.write([*folder.clips, Clip(clip_id="imported", path="", label="x")])
    assert folder.run(max_rejected_fraction=0.0) == SIZES
    assert folder.kinds() == {}


def test_equal_bytes_under_several_names_are_computed_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {**dict.fromkeys(["a.mp4", "b.mp4", "c.mp4"], b"equal"), "d.mp4": b"d"})
    assert folder.run() == {"a.mp4": 5, "b.mp4": 5, "c.mp4": 5, "d.mp4": 1}
    assert folder.asked() == ["a.mp4", "d.mp4"]
    for path in tmp_path.glob("cache/*/*"):
        path.write_bytes(path.read_bytes()[:-1] + b"!")  # seen only when its arrays are read
    assert folder.run() == {"a.mp4": 5, "b.mp4": 5, "c.mp4": 5, "d.mp4": 1}
    assert len(folder.asked()) == 2


def test_a_file_that_changed_or_went_away_says_nothing_of_its_copies(tmp_path: Path) -> None:
    folder = Folder(tmp_path, dict.fromkeys(["a.mp4", "b.mp4", "c.mp4", "d.mp4"], b"equal"))
    (folder.root / "a.mp4").write_bytes(b"other")
    (folder.root / "b.mp4").unlink()
    assert folder.run() == {"c.mp4": 5, "d.mp4": 5}
    assert folder.kinds() == {"a.mp4": "changed", "b.mp4": "unreadable"}
    assert folder.asked() == ["c.mp4"]


def test_the_number_of_workers_never_changes_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outs = []
    for workers in ("1", "4"):
        monkeypatch.setenv("AVR_WORKERS", workers)
        (tmp_path / workers).mkdir()
        folder = Folder(tmp_path / workers, {**CONTENTS, "b.mp4": b"bad", "c.mp4": b"bad too"})
        folder.run()
        assert len({line.split()[1] for line in folder.log.read_text().splitlines()}) <= int(workers)
        outs.append(folder.out_bytes())
    assert outs[0] == outs[1]


def test_all_shares_and_then_a_plain_run_compute_every_clip_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = {**CONTENTS, "b.mp4": b"bad"}
    (tmp_path / "plain").mkdir()
    (tmp_path / "shared").mkdir()
    plain, shared = Folder(tmp_path / "plain", contents), Folder(tmp_path / "shared", contents)
    plain.run()
    asked = []
    for shard in ("1/3", "2/3", "3/3"):
        assert shared.run(shard=shard, max_rejected_fraction=0.0) == {}  # no out, and no judgement of a part
        asked += shared.asked()
    assert sorted(asked) == sorted(contents)
    shared.run(shard="1/3")
    message = "stage: share 1/3: 4 clips, 0 computed, 4 already there, 1 of them refused; a run without --shard writes"
    assert message in capsys.readouterr().out
    shared.run()
    assert shared.asked() == []
    assert shared.out_bytes() == plain.out_bytes()


@pytest.mark.slow
def test_ray_gives_the_same_bytes_and_stops_the_same_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")  # a busy machine takes longer than Ray expects
    contents = {"a.mp4": b"hang", "b.mp4": b"bad", "c.mp4": b"segfault", **CONTENTS}
    folders = {}
    for engine in ("processes", "ray"):
        monkeypatch.setenv("AVR_ENGINE", engine)
        (tmp_path / engine).mkdir()
        folders[engine] = Folder(tmp_path / engine, contents)
        assert folders[engine].run(clip_timeout_seconds=15.0) == SIZES
        assert folders[engine].kinds() == {"a.mp4": "timeout", "b.mp4": "no_audio", "c.mp4": "crashed"}
    outs = [folder.out_bytes() for folder in folders.values()]
    assert outs[0].keys() == outs[1].keys()
    assert [name for name in outs[0] if outs[0][name] != outs[1][name]] == ["rejected.csv"]  # it names a signal
