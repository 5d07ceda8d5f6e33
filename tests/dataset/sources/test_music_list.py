import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.dataset.base import Found
from pipeline.dataset.sources.music_list import find_clips
from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip
from tests.helpers.dataset_params import dataset_params

SOLOS = {"flute": ["kbTy_5o6AB4", "3-zT9mN8Lio"], "cello": ["-Gdh8N_KpLY", "2ARPm0djKIk"]}


def make(root: Path, videos: object = SOLOS, *names: str) -> Path:
    """A list in the published form, and beside it some videos."""
    for name in names or ("flute/kbTy_5o6AB4.mp4", "3-zT9mN8Lio.webm", "-Gdh8N_KpLY.mp4", "cello/2ARPm0djKIk.mkv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "MUSIC_solo_videos.json").write_text(json.dumps({"version": 1.0, "videos": videos}))
    return root / "MUSIC_solo_videos.json"


def found(path: Path, **changes: Any) -> Found:  # noqa: ANN401 - whatever a user may write
    return find_clips(dataset_params(source="music_list", path=path, **changes))


def test_videos_are_found_by_their_ids_with_or_without_a_folder(tmp_path: Path) -> None:
    root, clips, refused = found(make(tmp_path))
    assert (root, refused) == (tmp_path, [])
    assert {clip.clip_id: clip.path for clip in clips} == {
        "flute/kbTy_5o6AB4": "flute/kbTy_5o6AB4.mp4",
        "flute/3-zT9mN8Lio": "3-zT9mN8Lio.webm",
        "cello/-Gdh8N_KpLY": "-Gdh8N_KpLY.mp4",
        "cello/2ARPm0djKIk": "cello/2ARPm0djKIk.mkv",
    }
    name = "cello/-Gdh8N_KpLY"
    assert clips[0] == Clip(clip_id=name, path="-Gdh8N_KpLY.mp4", label="cello", source_id="-Gdh8N_KpLY")


def test_a_video_that_is_not_there_is_refused_by_kind(tmp_path: Path) -> None:
    _, clips, (reject,) = found(make(tmp_path, SOLOS, "kbTy_5o6AB4.mp4", "3-zT9mN8Lio.mp4", "-Gdh8N_KpLY.mp4"))
    assert len(clips) == 3
    assert (reject.clip_id, reject.kind, reject.stage) == ("cello/2ARPm0djKIk", "missing", "dataset")
    assert reject.reason.endswith("no video has this ID; expected cello/2ARPm0djKIk.mp4 or 2ARPm0djKIk.mp4")


def test_duets_are_passed_over(tmp_path: Path) -> None:
    duets = {"flute violin": ["8DHG_hVSw1o"], "cello acoustic_guitar": ["HnUOaSfTA6c"]}
    assert len(found(make(tmp_path, SOLOS | duets)).clips) == 4
    with pytest.raises(DataError, match=r"2 instruments \['flute violin', 'cello acoustic_guitar'\], none alone; expe"):
        found(make(tmp_path, duets))


def test_an_id_counts_once_and_one_of_two_instruments_is_refused(tmp_path: Path) -> None:
    videos = {"flute": ["kbTy_5o6AB4", "kbTy_5o6AB4", "-Gdh8N_KpLY"], "cello": ["-Gdh8N_KpLY", "2ARPm0djKIk"]}
    _, clips, (reject,) = found(make(tmp_path, videos))
    assert sorted(clip.clip_id for clip in clips) == ["cello/2ARPm0djKIk", "flute/kbTy_5o6AB4"]
    assert (reject.kind, "it stands under 'flute' and 'cello'; expected one instrument" in reject.reason) == (
        "bad_label",
        True,
    )


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ({"flute": ["../../etc/passwd"]}, "flute: ID '../../etc/passwd'; expected a YouTube ID"),
        ({"flute": "kbTy_5o6AB4"}, "videos.flute: .*; expected FILE.json with"),
        ([["flute"]], "videos: .*; expected FILE.json with"),
        (
            {"flute": SOLOS["flute"]},
            r"2 videos of classes \['flute'\]; expected FILE.json with .*two instruments",
        ),
    ],
)
def test_what_is_no_such_list_is_named(videos: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"MUSIC_solo_videos.json: {message}"):
        found(make(tmp_path, videos))


def test_a_list_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = make(tmp_path)
    path.write_bytes(b"\xff{")
    with pytest.raises(DataError, match=r"MUSIC_solo_videos.json: .*; expected FILE.json with"):
        found(path)


def test_a_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"dataset.protocol='duets': source 'music_list' has none; expected null"):
        found(make(tmp_path), protocol="duets")
