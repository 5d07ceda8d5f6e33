from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.separation.pairs import Pair, read_pairs, read_written_pairs, with_test_clips, write_pairs

PUBLISHED = "/flute/kbTy_5o6AB4.wav, /cello/-Gdh8N_KpLY.wav\n/cello/-Gdh8N_KpLY.wav, /erhu/2D2ALfuqDpk.wav\n"


def clip(clip_id: str, path: str, split: str = "", source_id: str = "") -> Clip:
    return Clip(clip_id=clip_id, path=path, label=clip_id.partition("/")[0], split=split, source_id=source_id)


CLIPS = [
    clip("flute/kbTy_5o6AB4", "flute/kbTy_5o6AB4.mp4", source_id="kbTy_5o6AB4"),
    clip("cello/-Gdh8N_KpLY", "-Gdh8N_KpLY.mkv", "train", "-Gdh8N_KpLY"),
    clip("cello/other", "other.mp4"),
]
REFUSED = [Reject("erhu/2D2ALfuqDpk", "dataset", "missing", "no video has this ID")]


def listed(folder: Path, text: str = PUBLISHED) -> Path:
    (folder / "testsepmusic.csv").write_text(text)
    return folder / "testsepmusic.csv"


def test_pairs_are_found_by_their_ids_also_those_that_were_refused(tmp_path: Path) -> None:
    pairs = read_pairs(listed(tmp_path), CLIPS, REFUSED)
    assert pairs == [
        Pair("flute/kbTy_5o6AB4", "cello/-Gdh8N_KpLY"),
        Pair("cello/-Gdh8N_KpLY", "erhu/2D2ALfuqDpk"),
    ]
    write_pairs(tmp_path / "pairs.csv", pairs)
    assert read_written_pairs(tmp_path / "pairs.csv") == pairs


def test_of_the_events_of_one_video_the_first_one_stands_for_it(tmp_path: Path) -> None:
    events = [clip(f"EsfJpLbBeb4#{row}", "AVE/EsfJpLbBeb4.mp4") for row in (2, 0, 1)]
    path = listed(tmp_path, "/Church_bell/EsfJpLbBeb4.wav, /Aircraft/6a1dJ49KuuM.wav\n")
    pairs = read_pairs(path, events, [Reject("6a1dJ49KuuM#7", "dataset", "missing", "")])
    assert pairs == [Pair("EsfJpLbBeb4#0", "6a1dJ49KuuM#7")]


def test_ids_of_no_clip_are_counted_and_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"testsepmusic.csv: 2 of 3 IDs are of no clip of the data set, such as '-Gdh8N_KpLY', '2D2ALfuqDpk'; exp",
    ):
        read_pairs(listed(tmp_path), CLIPS[:1], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/a/1.wav\n", "line 1: '/a/1.wav'; expected two clips: lines of /CLASS/ID.wav, /CLASS/ID.wav"),
        ("\n/a/1.wav, \n", "line 2: '/a/1.wav, '; expected two clips"),
        ("/a/1.wav, /a/1.wav\n", "line 1: .*; expected two clips"),
        (" \n", "no pair; expected lines of"),
    ],
)
def test_a_line_that_is_no_pair_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"testsepmusic.csv: {message}"):
        read_pairs(listed(tmp_path, text), CLIPS, REFUSED)


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.csv: No such file or directory; expected lines of /CLASS/ID.wav"):
        read_pairs(tmp_path / "gone.csv", CLIPS, REFUSED)


def test_listed_clips_are_test_with_all_of_their_source_whatever_their_split_was() -> None:
    sibling = clip("cello/part two", "two.mp4", "train", "-Gdh8N_KpLY")
    alone = clip("cello/test", "t.mp4", "test", "t")
    clips = with_test_clips([*CLIPS, sibling, alone], [Pair("flute/kbTy_5o6AB4", "cello/-Gdh8N_KpLY")])
    assert [clip.split for clip in clips] == ["test", "test", "train", "test", "test"]
