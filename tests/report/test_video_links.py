"""Where the page finds the videos: the same address on every machine."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from pipeline.formats.clips import Clip, write_root
from pipeline.report.video_links import link_videos, video_addresses

ODD = "a b/#1?%20 <\"'>.mp4"


def test_the_address_leads_to_the_video_wherever_the_videos_lie(tmp_path: Path) -> None:
    (tmp_path / "far" / "a b").mkdir(parents=True)
    (tmp_path / "far" / ODD).write_bytes(b"video")
    clips_csv, page = tmp_path / "data" / "clips.csv", tmp_path / "report"
    for folder in (clips_csv.parent, page):
        folder.mkdir()
    write_root(clips_csv, tmp_path / "far")
    clips = {"odd": Clip(clip_id="odd", path=ODD, label="x"), "features": Clip(clip_id="features", path="", label="x")}
    addresses = video_addresses(clips_csv, page, clips)
    assert list(addresses) == ["odd"]
    assert addresses["odd"].startswith("../data/videos/a%20b/")
    assert not set(addresses["odd"]) & set("<>\"'?# ")
    assert link_videos(clips_csv)
    assert (page / unquote(addresses["odd"])).read_bytes() == b"video"


def test_the_address_of_a_window_is_a_media_fragment() -> None:
    film = Clip(clip_id=ODD, path=ODD, label="x")
    addresses = video_addresses(Path("data/clips.csv"), Path("report"), {"window": film.part(10.0, 20.5), "film": film})
    assert addresses["window"] == f"{addresses['film']}#t=10,20.5"


def test_the_link_follows_the_videos_and_is_made_once_more(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_root(tmp_path / "clips.csv", tmp_path / name)
        assert link_videos(tmp_path / "clips.csv")
        assert (tmp_path / "videos").resolve() == tmp_path / name
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


def test_without_videos_there_is_no_link(tmp_path: Path) -> None:
    assert not link_videos(tmp_path / "clips.csv")
    write_root(tmp_path / "clips.csv", tmp_path / "gone")
    assert not link_videos(tmp_path / "clips.csv")
    assert not (tmp_path / "videos").is_symlink()


def test_a_folder_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "mine.mp4").write_bytes(b"mine")
    write_root(tmp_path / "clips.csv", tmp_path)
    assert not link_videos(tmp_path / "clips.csv")
    assert (tmp_path / "videos" / "mine.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize(("clips_csv", "page"), [("data/clips.csv", "report"), ("clips.csv", "report")])
def test_the_address_is_the_same_in_every_folder(
    clips_csv: str, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = {"a": Clip(clip_id="a", path="a.mp4", label="x")}
    found = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found |= set(video_addresses(Path(clips_csv), Path(page), clips).values())
    assert found == {f"../{Path(clips_csv).parent / 'videos'}/a.mp4".replace("/./", "/")}
