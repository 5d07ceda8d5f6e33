import os
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats.clips import Clip, read_clips, read_root, whole_files, write_clips, write_root
from pipeline.formats.files import file_sha256


def make_clips(n_clips: int) -> list[Clip]:
    return [Clip(clip_id=f"c0/{i:03}.mp4", path=f"c0/{i:03}.mp4", label="c0") for i in range(n_clips)]


def test_clips_survive_their_file_with_odd_names(tmp_path: Path) -> None:
    clips = [
        Clip(clip_id='a, "b"\nc.mp4', path='a, "b"\nc.mp4', label="été 🎺", sha256="0f", start_seconds=0.5),
        Clip(clip_id="z.mp4", path="z.mp4", label="x", split="train", source_id="s", end_seconds=1 / 3),
    ]
    write_clips(tmp_path / "clips.csv", clips)
    assert read_clips(tmp_path / "clips.csv") == clips


def test_windows_survive_their_file_and_whole_files_have_no_column_for_them(tmp_path: Path) -> None:
    film, short = Clip(clip_id="a#t=1.mp4", path="a#t=1.mp4", label="x", sha256="0f"), make_clips(1)[0]
    windows = [film.part(0.0, 10.0), film.part(5.5, 15.5)]
    write_clips(tmp_path / "clips.csv", [*windows, short])
    assert read_clips(tmp_path / "clips.csv") == [*windows, short]
    assert [clip.clip_id for clip in windows] == ["a#t=1.mp4#t=0,10", "a#t=1.mp4#t=5.5,15.5"]
    assert whole_files([short, *windows[::-1]]) == [film, short]
    write_clips(tmp_path / "whole.csv", [film, short])
    assert "window" not in (tmp_path / "whole.csv").read_text()
    assert [clip.window for clip in read_clips(tmp_path / "whole.csv")] == [None, None]


def test_the_file_does_not_depend_on_the_order_of_the_clips(tmp_path: Path) -> None:
    clips = make_clips(5)
    write_clips(tmp_path / "a.csv", clips)
    write_clips(tmp_path / "b.csv", clips[::-1])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(("text", "columns"), [("clip_id,path\na,b\n", r"\['clip_id', 'path'\]"), ("", "None")])
def test_other_columns_are_refused(text: str, columns: str, tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(DataError, match=rf"columns {columns}; expected \['clip_id', 'path', 'label'"):
        read_clips(tmp_path / "clips.csv")


def test_a_missing_file_says_which_stage_writes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clips.csv: missing; expected `dvc repro dataset`"):
        read_clips(tmp_path / "clips.csv")


def test_a_clip_that_comes_twice_is_named(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", make_clips(1) * 2)
    with pytest.raises(DataError, match=r"clip 'c0/000.mp4' stands in 2 rows"):
        read_clips(tmp_path / "clips.csv")


def test_a_time_that_is_no_number_is_named(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", make_clips(1))
    text = (tmp_path / "clips.csv").read_text()
    (tmp_path / "clips.csv").write_text(text.replace(",,\n", ",soon,\n"))
    with pytest.raises(DataError, match=r"clip 'c0/000.mp4': could not convert string to float: 'soon'"):
        read_clips(tmp_path / "clips.csv")


def test_the_root_is_kept_as_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_root(Path("clips.csv"), Path("videos"))
    assert read_root(tmp_path / "clips.csv") == tmp_path / "videos"


@pytest.mark.parametrize("name", ["a\rb", "a\r\nb", "a\nb", " é "])
def test_the_root_may_have_any_name(name: str, tmp_path: Path) -> None:
    write_root(tmp_path / "clips.csv", tmp_path / name)
    assert read_root(tmp_path / "clips.csv") == tmp_path / name


def test_a_missing_root_says_which_stage_writes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"videos_root.txt: missing; expected `dvc repro dataset`"):
        read_root(tmp_path / "clips.csv")


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    "line", [b"\xff,a,cat,,,,,", b"a,a,cat,,,,,,more", b"a," + b"x" * 200_000], ids=["1", "2", "3"]
)
def test_a_damaged_file_is_named(tmp_path: Path, line: bytes) -> None:
    write_clips(tmp_path / "clips.csv", [])
    with (tmp_path / "clips.csv").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(DataError, match=r"clips.csv: .*; expected a (table in CSV and UTF-8|cell for each)"):
        read_clips(tmp_path / "clips.csv")


def test_a_damaged_note_of_the_folder_of_videos_is_named(tmp_path: Path) -> None:
    (tmp_path / "videos_root.txt").write_bytes(b"/videos/\xff\n")
    with pytest.raises(DataError, match=r"videos_root.txt: damaged \(.*\); expected what `dvc repro dataset` writes"):
        read_root(tmp_path / "clips.csv")


def test_a_pipe_in_the_place_of_the_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clips.csv")
    with pytest.raises(DataError, match=r"clips.csv: a pipe; expected a regular file"):
        read_clips(tmp_path / "clips.csv")
