import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import rejects
from pipeline.clip_cache import ClipCache
from pipeline.clip_map import map_shards, map_videos
from pipeline.clips import Clip, file_sha256, write_clips, write_root
from pipeline.errors import ClipError, DataError, ParamsError
from pipeline.shards import Arrays, read_shards, write_shards


class Work:
    """Counts bytes of a clip, remembers which it was asked for, and refuses clips that hold the word ``bad``."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, clip: Clip, path: Path) -> Arrays:
        self.asked.append(clip.clip_id)
        data = path.read_bytes()
        if b"bad" in data:
            raise ClipError("a path", "no_audio", "no sound in it", "an audio stream")
        return {"size": np.array([len(data)])}


class Folder:
    """A data set of small files, its cache, and the stage that runs over them."""

    def __init__(self, root: Path, contents: dict[str, bytes]) -> None:
        self.root, self.csv, self.out = root / "videos", root / "clips.csv", root / "out"
        self.root.mkdir()
        self.set(contents)

    def set(self, contents: dict[str, bytes]) -> None:
        clips = []
        for name, data in contents.items():
            (self.root / name).write_bytes(data)
            clips.append(Clip(clip_id=name, path=name, label="x", sha256=file_sha256(self.root / name)))
        self.write(clips)

    def write(self, clips: list[Clip]) -> None:
        self.clips = clips
        write_clips(self.csv, clips)
        write_root(self.csv, self.root)

    def run(self, work: Work, max_rejected_fraction: float = 0.5) -> dict[str, int]:
        cache = ClipCache(self.root.parent / "cache", "fingerprint")
        map_videos("stage", self.csv, work, cache, self.out, max_rejected_fraction)
        return {clip_id: int(arrays["size"][0]) for clip_id, arrays in read_shards(self.out)}


CONTENTS = {f"{i}.mp4": bytes(i + 1) for i in range(9)}


def test_every_clip_gets_its_result(tmp_path: Path) -> None:
    assert Folder(tmp_path, CONTENTS).run(Work()) == {name: len(data) for name, data in CONTENTS.items()}


def test_a_second_run_computes_nothing_and_writes_the_same_bytes(tmp_path: Path) -> None:
    folder, work = Folder(tmp_path, CONTENTS), Work()
    folder.run(Work())
    before = {path.name: path.read_bytes() for path in folder.out.iterdir()}
    for path in folder.out.iterdir():
        path.unlink()
    folder.run(work)
    assert work.asked == []
    assert {path.name: path.read_bytes() for path in folder.out.iterdir()} == before


def test_only_a_new_clip_is_computed(tmp_path: Path) -> None:
    folder, work = Folder(tmp_path, CONTENTS), Work()
    folder.run(Work())
    folder.set({**CONTENTS, "new.mp4": b"12345"})
    assert folder.run(work)["new.mp4"] == 5
    assert work.asked == ["new.mp4"]


def test_a_run_that_is_stopped_halfway_keeps_what_it_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "1")
    folder, rest = Folder(tmp_path, CONTENTS), Work()

    class Interrupted(Work):
        def __call__(self, clip: Clip, path: Path) -> Arrays:
            if clip.clip_id == "8.mp4":
                raise KeyboardInterrupt
            return super().__call__(clip, path)

    with pytest.raises(KeyboardInterrupt):
        folder.run(Interrupted())
    folder.run(rest)
    assert rest.asked == ["8.mp4"]


def test_a_refused_clip_is_noted_and_the_others_go_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {**CONTENTS, "b.mp4": b"bad"})
    assert folder.run(Work()).keys() == CONTENTS.keys()
    reason = "clip 'b.mp4': no sound in it; expected an audio stream"
    assert rejects.read(folder.out / "rejected.csv") == [rejects.Reject("b.mp4", "stage", "no_audio", reason)]


def test_a_refused_clip_is_not_tried_again_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, again, retry = Folder(tmp_path, {**CONTENTS, "b.mp4": b"bad"}), Work(), Work()
    folder.run(Work())
    folder.run(again)
    assert again.asked == []
    monkeypatch.setenv("RETRY_REJECTED", "1")
    folder.run(retry)
    assert retry.asked == ["b.mp4"]


def test_too_many_refused_clips_stop_the_run(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {**CONTENTS, "b.mp4": b"bad"})
    with pytest.raises(
        DataError, match=r"stage: 1 of 10 clips rejected, such as no_audio: .*max_rejected_fraction=0.05"
    ):
        folder.run(Work(), max_rejected_fraction=0.05)


def test_a_clip_that_changed_since_the_scan_is_refused_for_this_run_only(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    (folder.root / "3.mp4").write_bytes(b"other")
    assert "3.mp4" not in folder.run(Work())
    assert [row.kind for row in rejects.read(folder.out / "rejected.csv")] == ["changed"]
    (folder.root / "3.mp4").write_bytes(CONTENTS["3.mp4"])
    assert "3.mp4" in folder.run(Work())


def test_a_clip_that_is_gone_is_refused(tmp_path: Path) -> None:
    folder = Folder(tmp_path, CONTENTS)
    folder.write([*folder.clips, replace(folder.clips[0], clip_id="gone.mp4", path="gone.mp4", sha256="")])
    folder.run(Work())
    reason = "clip 'gone.mp4': gone.mp4: No such file or directory; expected a file that can be read"
    assert rejects.read(folder.out / "rejected.csv") == [rejects.Reject("gone.mp4", "stage", "unreadable", reason)]


def test_an_error_that_is_no_clip_error_stops_the_run(tmp_path: Path) -> None:
    class Broken(Work):
        def __call__(self, clip: Clip, path: Path) -> Arrays:
            raise ZeroDivisionError(clip.clip_id)

    with pytest.raises(ZeroDivisionError):
        Folder(tmp_path, CONTENTS).run(Broken())


def test_as_many_clips_run_at_a_time_as_there_are_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "3")
    together = threading.Barrier(3, timeout=20)

    class Waiting(Work):
        def __call__(self, clip: Clip, path: Path) -> Arrays:
            together.wait()
            return super().__call__(clip, path)

    assert len(Folder(tmp_path, CONTENTS).run(Waiting())) == 9


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_workers_that_make_no_sense_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    monkeypatch.setenv("WORKERS", workers)
    with pytest.raises(ParamsError, match=f"WORKERS='{workers}'; expected a whole number above 0"):
        Folder(tmp_path, CONTENTS).run(Work())


def test_shards_are_embedded_once_with_their_times(tmp_path: Path) -> None:
    clips: dict[str, Arrays] = {
        f"{i}": {"rows": np.full((i, 2), i), "seconds": np.arange(i) * 0.5} for i in range(1, 6)
    }
    write_shards(tmp_path / "in", clips, clips.__getitem__)
    asked = []

    def embed(stream: Iterable[tuple[str, NDArray[np.int64]]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for clip_id, rows in list(stream):
            asked.append(clip_id)
            yield clip_id, rows.astype(np.float32) * 10

    for _ in range(2):
        cache = ClipCache(tmp_path / "cache", "fingerprint")
        map_shards("stage", tmp_path / "in", lambda arrays: arrays["rows"], embed, cache, tmp_path / "out")
    assert sorted(asked) == list("12345")
    back = dict(read_shards(tmp_path / "out"))
    assert back["3"]["embeddings"].tolist() == [[30, 30]] * 3
    assert back["3"]["seconds"].tolist() == [0, 0.5, 1]
