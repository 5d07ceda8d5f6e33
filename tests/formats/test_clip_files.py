import hashlib
from pathlib import Path

import pytest

from pipeline.formats.clip_files import ClipFiles, files_at, files_of, files_sha256, joined_sha256, utterances_of

FILM = "mp4/train/id00012/video/00001.mp4"
SOURCE = "wav16k/min/tt/s2/633_00011_0.53_k_T-d_00010_-0.53.wav"


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


@pytest.mark.parametrize(
    ("there", "sound", "mouth"),
    [
        ([], FILM, None),
        (["audio/train/id00012/video/00001.wav"], "audio/train/id00012/video/00001.wav", None),
        (["aac/train/id00012/video/00001.m4a"], "aac/train/id00012/video/00001.m4a", None),
        (["mouth_roi/train/id00012/video/00001.h5"], FILM, "mouth_roi/train/id00012/video/00001.h5"),
        (["mouth_roi/train/id00012/video/00002.h5"], FILM, None),
    ],
)
def test_a_face_track_has_the_files_of_its_name_in_the_other_trees(
    there: list[str], sound: str, mouth: str | None, tmp_path: Path
) -> None:
    touch(tmp_path, FILM, *there)
    expected = ClipFiles(tmp_path / sound, tmp_path / FILM, tmp_path / mouth if mouth else None)
    assert files_of(tmp_path, FILM) == expected
    assert files_at(tmp_path / FILM, FILM) == expected


def test_a_source_of_a_mixture_has_the_mouth_of_its_own_utterance_and_no_pictures() -> None:
    root = Path("/data")
    assert files_of(root, SOURCE) == ClipFiles(root / SOURCE, None, root / "mouths/k_T-d_00010.npz")
    first = SOURCE.replace("/s2/", "/s1/")
    assert files_of(root, first).mouth == root / "mouths/633_00011.npz"


@pytest.mark.parametrize("name", ["dog/0001.mp4", "films/mp4/a.mp4", "mp4.mp4", "a/wav16k/min/tt/s1/x_1_y_-1.wav"])
def test_any_other_clip_lies_in_its_own_file(name: str, tmp_path: Path) -> None:
    touch(tmp_path, name, "mouth_roi/a.h5")
    assert files_of(tmp_path, name).all() == [tmp_path / name]


def test_a_file_by_itself_has_nothing_beside_it(tmp_path: Path) -> None:
    assert files_at(tmp_path / "loud.mp4", "talk.mp4").all() == [tmp_path / "loud.mp4"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("6330311066473698535_00011_0.53084_6339356267468615354_00010_-0.53084", "6330311066473698535_00011"),
        ("id08696_ttUSQacqnRA_00472_2.73233_id00817_EPPT9urr8Ew_00099_-2.73233", "id08696_ttUSQacqnRA_00472"),
        ("_a-9_00001_4_b_7_00002_-4", "_a-9_00001"),
        ("a_00001_1.5_b_00002_-1.25", None),
        ("speech", None),
    ],
)
def test_the_published_names_of_mixtures_tell_their_utterances(name: str, expected: str | None) -> None:
    found = utterances_of(name)
    assert (found[0] if found else None) == expected


def test_the_hash_of_one_file_is_that_of_its_bytes_and_of_several_depends_on_all(tmp_path: Path) -> None:
    touch(tmp_path, "a", "b")
    alone = hashlib.sha256(b"a").hexdigest()
    assert files_sha256([tmp_path / "a"]) == alone
    both = files_sha256([tmp_path / "a", tmp_path / "b"])
    (tmp_path / "b").write_text("c")
    assert len({alone, both, files_sha256([tmp_path / "a", tmp_path / "b"])}) == 3
    assert joined_sha256([alone, ""]) == ""
