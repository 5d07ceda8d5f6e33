"""Videos in the rows of Parquet files, as data sets of the Hugging Face Hub keep them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.scan import scan
from pipeline.dataset.sources import video_parquet
from pipeline.dataset.sources.video_parquet import find_clips
from pipeline.errors import DataError, ParamsError
from pipeline.settings.limits import load_limits
from pipeline.video import iter_frames, read_waveform
from tests.helpers.dataset_params import dataset_params
from tests.helpers.film_table import media, write_films
from tests.helpers.media import Sight, Sound, tone, write_media
from tests.helpers.synthetic import number_of


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))


def params(path: Path, **changes: object) -> DatasetParams:
    return dataset_params(source="video_parquet", path=path, **changes)


def make(root: Path) -> Path:
    """AVE's form on the Hub, with two splits of two files and one."""
    cells = {"label": [1, 0], "start_seconds": [0, 3]}
    for part, ids in (("train-00000-of-00002", "ab"), ("train-00001-of-00002", "cd"), ("test-00000-of-00001", "ef")):
        films = {kind: [media(f"{i}.{kind}") for i in ids] for kind in ("video", "audio")}
        write_films(root / f"data/{part}.parquet", ["Bark", "Bus"], **films, **cells, youtube_id=list(ids))
    return root


def bytes_of(found: Found, clip_id: str) -> bytes:
    """The bytes of a clip's file."""
    (clip,) = (clip for clip in found.clips if clip.clip_id == clip_id)
    return (found.root / clip.path).read_bytes()


def test_a_row_is_a_clip_with_the_split_of_its_file_and_the_name_of_its_class(tmp_path: Path) -> None:
    found = find_clips(params(make(tmp_path / "ave")))
    assert [(clip.clip_id, clip.label, clip.split, clip.source_id) for clip in found.clips] == [
        ("data/test-00000-of-00001#0", "Bus", "test", "e"),
        ("data/test-00000-of-00001#1", "Bark", "test", "f"),
        ("data/train-00000-of-00002#0", "Bus", "train", "a"),
        ("data/train-00000-of-00002#1", "Bark", "train", "b"),
        ("data/train-00001-of-00002#0", "Bus", "train", "c"),
        ("data/train-00001-of-00002#1", "Bark", "train", "d"),
    ]
    assert bytes_of(found, "data/train-00001-of-00002#1") == b"d.video"


FILM, SOUND = Sight(), Sound(codec="pcm_s16le")
QUIET, LOUD = Sound(waveform=tone(2.5, 44100) / 3), 0.3


@pytest.mark.parametrize(
    ("tracks", "level", "ending"),
    [((FILM,), LOUD, ".mkv"), ((FILM, QUIET), LOUD / 3, ".mp4")],
    ids=["without sound", "with its own"],
)
def test_the_sound_of_a_row_is_that_of_a_video_without_one(
    tracks: tuple[Sight | Sound, ...], level: float, ending: str, tmp_path: Path
) -> None:
    film = write_media(tmp_path / "film.mp4", *tracks).read_bytes()
    sound = write_media(tmp_path / "sound.wav", SOUND).read_bytes()
    cells = {"label": ["dog", "cat"], "video": [media("1.mp4", film)] * 2, "audio": [media("1.wav", sound)] * 2}
    write_films(tmp_path / "films/all.parquet", **cells)
    root, clips, _ = find_clips(params(tmp_path / "films"))
    path = root / clips[0].path
    assert path.suffix == ending
    assert [number_of(picture) for _, picture in iter_frames(path, 5.0, lambda _: 0.05)] == list(range(0, 25, 2))
    waveform = read_waveform(path, 16000)
    assert len(waveform) == pytest.approx(40000, abs=16)
    assert np.sqrt(2 * np.mean(waveform[2000:-2000] ** 2)) == pytest.approx(level, rel=0.05)


def test_a_video_beside_a_sound_that_cannot_be_read_stays_as_it_is(tmp_path: Path) -> None:
    film = write_media(tmp_path / "film.mp4", FILM).read_bytes()
    write_films(
        tmp_path / "all.parquet", label=["dog", "cat"], video=[media("1", film)] * 2, audio=[media("1", b"noise")] * 2
    )
    root, clips, _ = find_clips(params(tmp_path))
    assert (root / clips[0].path).read_bytes() == film


def test_a_second_scan_writes_nothing_and_a_lost_file_comes_again(tmp_path: Path) -> None:
    root, clips, _ = find_clips(params(make(tmp_path / "ave")))
    first, second, *_ = (root / clip.path for clip in clips)
    before = second.stat()
    first.unlink()
    assert find_clips(params(tmp_path / "ave")).clips == clips
    assert first.read_bytes() == b"e.video"
    after = second.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_file_of_other_rows_has_other_videos_and_a_moved_one_the_same(tmp_path: Path) -> None:
    first = find_clips(params(make(tmp_path / "ave"))).clips
    (tmp_path / "ave").rename(tmp_path / "moved")
    assert find_clips(params(tmp_path / "moved")).clips == first
    films = [media("x.video"), media("y.video")]
    write_films(tmp_path / "moved/data/test-00000-of-00001.parquet", video=films, label=["Bus", "Bark"])
    found = find_clips(params(tmp_path / "moved"))
    assert bytes_of(found, "data/test-00000-of-00001#0") == b"x.video"
    assert [clip.path for clip in found.clips[2:]] == [clip.path for clip in first[2:]]


def test_the_files_of_rows_are_hashed_like_any_others(tmp_path: Path) -> None:
    found, table = scan(params(make(tmp_path / "ave")))
    assert len({clip.sha256 for clip in found.clips}) == 6
    assert len(table.clip_ids) == 0


@pytest.mark.parametrize("name", ["train/0000.parquet", "train.parquet", "default/train_0.parquet"])
def test_a_split_is_the_name_of_a_file_or_of_its_folder(name: str, tmp_path: Path) -> None:
    cells = {"video": [media("1"), media("2")], "label": ["cat", "dog"]}
    write_films(tmp_path / name, **cells)
    write_films(tmp_path / name.replace("train", "eval"), **cells)
    assert {clip.split for clip in find_clips(params(tmp_path)).clips} == {"train", "test"}


def test_where_all_is_train_the_stage_makes_the_split(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_films(tmp_path / "train-00000-of-00001.parquet", video=[media("1"), media("2")], label=["cat", "dog"])
    assert {clip.split for clip in find_clips(params(tmp_path, fold=1)).clips} == {""}
    assert "all of its clips are train; the stage splits them" in capfd.readouterr().err


def test_bytes_without_a_path_are_videos_too(tmp_path: Path) -> None:
    write_films(tmp_path / "all.parquet", video=[b"first", b"second"], label=[1, 2])
    root, clips, _ = find_clips(params(tmp_path))
    assert [(clip.clip_id, clip.label, (root / clip.path).read_bytes()) for clip in clips] == [
        ("all#0", "1", b"first"),
        ("all#1", "2", b"second"),
    ]


def test_a_row_without_a_video_is_refused(tmp_path: Path) -> None:
    films = [media("1"), {"bytes": None, "path": "gone.mp4"}, media("3", b""), media("4")]
    write_films(tmp_path / "all.parquet", ["cat", "dog"], video=films, label=[0, 0, 1, 1])
    found = find_clips(params(tmp_path))
    assert [clip.clip_id for clip in found.clips] == ["all#0", "all#3"]
    assert [(row.clip_id, row.kind) for row in found.refused] == [("all#1", "missing"), ("all#2", "missing")]
    assert found.refused[0].reason == "clip 'all#1': no bytes in its column 'video'; expected the bytes of a video file"


@pytest.mark.parametrize(
    ("names", "labels"),
    [(["cat", "dog"], [0, None, -1, 1]), ([], [0.0, None, float("nan"), 1.0]), ([], ["a", None, "", "b"])],
)
def test_a_row_without_a_class_is_a_clip_without_a_label(
    names: list[str], labels: list[object], tmp_path: Path
) -> None:
    write_films(tmp_path / "all.parquet", names, video=[b"1", b"2", b"3", b"4"], label=labels)
    assert [bool(clip.label) for clip in find_clips(params(tmp_path)).clips] == [True, False, False, True]


def test_videos_without_a_column_of_labels_are_clips_without_one(tmp_path: Path) -> None:
    write_films(tmp_path / "all.parquet", video=[b"1", b"2"])
    assert [clip.label for clip in find_clips(params(tmp_path)).clips] == ["", ""]


def test_a_label_that_is_blank_is_refused(tmp_path: Path) -> None:
    write_films(tmp_path / "all.parquet", video=[b"1", b"2", b"3"], label=["cat", " ", "dog"])
    (refused,) = find_clips(params(tmp_path)).refused
    assert (refused.kind, refused.reason) == ("bad_label", "clip 'all#1': label ' '; expected the name of a class")


def test_a_number_of_no_class_is_refused(tmp_path: Path) -> None:
    write_films(tmp_path / "all.parquet", ["cat", "dog"], video=[b"1", b"2"], label=[0, 2])
    with pytest.raises(DataError, match=r"row 1: label 2; expected one of the 2 that the file names"):
        find_clips(params(tmp_path))


CELLS = {"video": [b"1", b"2"], "label": ["cat", "dog"]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"film": [b"1", b"2"]}, r"columns \['film'\]; expected video, optional label and audio"),
        (
            {"video": [b"1", b"2"], "Class": [1, 2]},
            r"columns .*, like label: \['Class'\]; expected video, optional label",
        ),
        (CELLS | {"video": ["1.mp4", "2.mp4"]}, r"column 'video' holds string; expected the bytes of files"),
        (CELLS | {"audio": [[0.0], [0.1]]}, r"column 'audio' holds list.*; expected the bytes of files"),
        (CELLS | {"label": [[1], [1, 2]]}, r"column 'label' holds list.*; expected one class a clip"),
        (CELLS | {"label": [b"1", b"2"]}, r"column 'label' holds binary; expected text or numbers"),
        (CELLS | {"label": ["cat", "cat"]}, r"2 videos of classes \['cat'\]; expected DIR/\*\.parquet"),
    ],
)
def test_a_file_of_other_columns_is_refused(columns: dict[str, list[object]], message: str, tmp_path: Path) -> None:
    write_films(tmp_path / "all.parquet", **columns)
    with pytest.raises(DataError, match=message):
        find_clips(params(tmp_path))


def test_a_column_that_comes_twice_is_refused(tmp_path: Path) -> None:
    table = pq.read_table(write_films(tmp_path / "all.parquet", **CELLS))
    pq.write_table(table.append_column("video", table["video"]), tmp_path / "all.parquet")
    with pytest.raises(DataError, match=r"columns \['video'\] come twice; expected each once"):
        find_clips(params(tmp_path))


def test_a_folder_without_such_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.parquet file; expected DIR/\*\.parquet"):
        find_clips(params(tmp_path))


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    (make(tmp_path) / "data/train-00000-of-00002.parquet").unlink()
    with pytest.raises(DataError, match=r"1 of 2 files data/train-\*\.parquet, not number 00000; expected all, or"):
        find_clips(params(tmp_path))


def test_a_name_that_says_two_splits_is_refused(tmp_path: Path) -> None:
    write_films(tmp_path / "test/train-0.parquet", **CELLS)
    with pytest.raises(DataError, match=r"train-0\.parquet: its name says test and train; expected one split"):
        find_clips(params(tmp_path))


@pytest.mark.parametrize(
    ("names", "splits"),
    [(("train", "valid"), r"\['train', 'validation'\]"), (("train", "more"), r"\['none', 'train'\]")],
)
def test_a_split_without_its_other_side_is_refused(names: tuple[str, ...], splits: str, tmp_path: Path) -> None:
    for name in names:
        write_films(tmp_path / f"{name}.parquet", **CELLS)
    with pytest.raises(DataError, match=rf"splits {splits}; expected train and test, with or without validation"):
        find_clips(params(tmp_path))


def test_a_fold_that_the_split_would_win_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"dataset.fold=1: source 'video_parquet' has its own split; expected null"):
        find_clips(params(make(tmp_path), fold=1))


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    file = write_films(tmp_path / "all.parquet", **CELLS)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"all\.parquet: .*; expected a Parquet file"):
        find_clips(params(tmp_path))


def test_rows_that_are_damaged_are_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(5000)
    file = write_films(tmp_path / "all.parquet", video=[noise, noise[::-1]], label=["cat", "dog"])
    data = file.read_bytes()
    place = data.index(noise[:100])
    file.write_bytes(data[: place - 4] + b"\xff" * 4 + data[place:])
    with pytest.raises(DataError, match=r"all\.parquet: .*; expected a Parquet file that is whole"):
        find_clips(params(tmp_path))


def test_rows_that_hold_far_more_than_their_file_are_refused(tmp_path: Path) -> None:
    table = pq.read_table(write_films(tmp_path / "all.parquet", video=[bytes(10_000_000)] * 2, label=["cat", "dog"]))
    pq.write_table(table, tmp_path / "all.parquet", compression="zstd")
    with pytest.raises(DataError, match=r"bytes in its rows; expected at most limits\.expansion_factor=1000 times its"):
        find_clips(params(tmp_path))


def test_a_file_of_more_rows_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = load_limits().model_copy(update={"table_rows": 1})
    monkeypatch.setattr(video_parquet, "load_limits", lambda: limits)
    write_films(tmp_path / "all.parquet", **CELLS)
    with pytest.raises(DataError, match=r"2 rows; expected at most limits.table_rows=1"):
        find_clips(params(tmp_path))
