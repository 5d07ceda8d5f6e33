from collections import Counter
from pathlib import Path

import pytest

from pipeline.clips import Clip, assign_splits, file_sha256, read_clips, read_root, write_clips, write_root
from pipeline.errors import DataError


def make_clips(n_classes: int, n_clips: int, clips_a_source: int = 0) -> list[Clip]:
    return [
        Clip(
            clip_id=f"c{label}/{i:03}.mp4",
            path=f"c{label}/{i:03}.mp4",
            label=f"c{label}",
            source_id=f"{label}-{i // clips_a_source}" if clips_a_source else "",
        )
        for label in range(n_classes)
        for i in range(n_clips)
    ]


def split(clips: list[Clip], seed: int = 0) -> list[Clip]:
    return assign_splits(clips, test_fraction=0.25, validation_fraction=0.2, seed=seed)


def test_clips_survive_their_file_with_odd_names(tmp_path: Path) -> None:
    clips = [
        Clip(clip_id='a, "b"\nc.mp4', path='a, "b"\nc.mp4', label="été 🎺", sha256="0f", start_seconds=0.5),
        Clip(clip_id="z.mp4", path="z.mp4", label="x", split="train", source_id="s", end_seconds=1 / 3),
    ]
    write_clips(tmp_path / "clips.csv", clips)
    assert read_clips(tmp_path / "clips.csv") == clips


def test_the_file_does_not_depend_on_the_order_of_the_clips(tmp_path: Path) -> None:
    clips = make_clips(2, 5)
    write_clips(tmp_path / "a.csv", clips)
    write_clips(tmp_path / "b.csv", clips[::-1])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("clip_id,path\na,b\n")
    with pytest.raises(DataError, match=r"columns \['clip_id', 'path'\]; expected \['clip_id', 'path', 'label'"):
        read_clips(tmp_path / "clips.csv")


def test_a_clip_that_comes_twice_is_named(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", make_clips(1, 1) * 2)
    with pytest.raises(DataError, match=r"clip 'c0/000.mp4' stands in 2 rows"):
        read_clips(tmp_path / "clips.csv")


def test_a_time_that_is_no_number_is_named(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", make_clips(1, 1))
    text = (tmp_path / "clips.csv").read_text()
    (tmp_path / "clips.csv").write_text(text.replace(",,\n", ",soon,\n"))
    with pytest.raises(DataError, match=r"clip 'c0/000.mp4': could not convert string to float: 'soon'"):
        read_clips(tmp_path / "clips.csv")


def test_the_split_takes_the_asked_share_of_every_class() -> None:
    counts = Counter((clip.label, clip.split) for clip in split(make_clips(3, 20)))
    assert counts == {
        (f"c{i}", name): n for i in range(3) for name, n in (("test", 5), ("validation", 3), ("train", 12))
    }


def test_no_source_is_on_two_sides() -> None:
    clips = split(make_clips(3, 60, clips_a_source=4))
    assert all(
        len({clip.split for clip in clips if clip.source_id == name}) == 1 for name in {c.source_id for c in clips}
    )


def test_a_source_of_two_classes_is_on_one_side() -> None:
    shared = [Clip(clip_id=f"c{i}/shared", path="", label=f"c{i}", source_id="0-0") for i in (1, 2)]
    for seed in range(20):
        sides = {c.split for c in split(make_clips(3, 6, clips_a_source=2) + shared, seed) if c.source_id == "0-0"}
        assert len(sides) == 1


def test_another_seed_gives_another_split() -> None:
    assert split(make_clips(2, 20), seed=0) != split(make_clips(2, 20), seed=1)


def test_one_clip_more_hardly_moves_the_others() -> None:
    before = {clip.clip_id: clip.split for clip in split(make_clips(2, 40))}
    after = {clip.clip_id: clip.split for clip in split(make_clips(2, 41))}
    assert sum(after[clip_id] != side for clip_id, side in before.items()) <= 4


def test_a_split_that_is_given_stays() -> None:
    given = [Clip(clip_id=f"g{i}", path="", label="c0", split="test") for i in range(3)]
    assert [clip.split for clip in split([*given, *make_clips(2, 10)])[:3]] == ["test"] * 3


@pytest.mark.parametrize("n_clips", [3, 4, 5])
def test_a_small_class_still_has_a_clip_on_every_side(n_clips: int) -> None:
    assert {clip.split for clip in split(make_clips(1, n_clips))} == {"train", "validation", "test"}


def test_a_class_that_is_too_small_is_named() -> None:
    with pytest.raises(DataError, match=r"class 'c0': 2 recording\(s\); expected at least 3"):
        split(make_clips(1, 2))


def test_the_root_is_kept_as_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_root(Path("clips.csv"), Path("videos"))
    assert read_root(tmp_path / "clips.csv") == tmp_path / "videos"


def test_a_missing_root_says_which_stage_writes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"videos_root.txt: missing; expected `dvc repro dataset`"):
        read_root(tmp_path / "clips.csv")


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
