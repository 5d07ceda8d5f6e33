from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.dataset.layouts.ave_protocols import EICS_CLASSES, PROTOCOLS
from pipeline.dataset.sources.ave import find_clips
from pipeline.dataset.splits import assign_splits
from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip
from tests.helpers.dataset_params import dataset_params

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "ave"
needs_published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="AVE's own files are not beside the project")

ROWS = [
    "Bark&AAAAAAAAAAA&good&0&10",
    "Goat&AAAAAAAAAAA&good&0&10",  # the same video, in test
    "Bark&BBBBBBBBBBB&good&2&7",
    "Goat&CCCCCCCCCCC&good&0&0",
    "Baby cry, infant cry&D-_DDDDDDDD&good&1&3",
    "Bark&EEEEEEEEEEE&good&4&5",
]
ORDERS = {"train": [0, 2], "val": [4, 3], "test": [5, 1]}
MATCH = {"train": [5, 1], "val": [0, 4], "test": [2, 3]}


def write_order(path: Path, order: object, key: str = "order") -> None:
    with h5py.File(path, "w") as file:
        file[key] = order


def make(root: Path) -> Path:
    """A folder in AVE's layout, of six rows."""
    (root / "AVE").mkdir(parents=True)
    (root / "Annotations.txt").write_text("\n".join(ROWS) + "\n")
    for ending, orders in (("", ORDERS), ("_match", MATCH)):
        for split, order in orders.items():
            write_order(root / f"{split}_order{ending}.h5", np.array(order))
    return root


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """AVE's own lists in a folder with room for videos."""
    (tmp_path / "AVE").mkdir()
    for path in PUBLISHED.iterdir():
        (tmp_path / path.name).symlink_to(path.resolve())
    return tmp_path


def clips_of(root: Path, protocol: str | None = None, **changes: Any) -> list[Clip]:  # noqa: ANN401 - what users write
    return find_clips(dataset_params(source="ave", path=root, protocol=protocol, **changes)).clips


def videos(clips: list[Clip], *splits: str) -> set[str]:
    return {clip.source_id for clip in clips if clip.split in splits}


def test_a_row_is_a_clip_with_its_event(tmp_path: Path) -> None:
    root, clips, refused = find_clips(dataset_params(source="ave", path=make(tmp_path)))
    assert (root, refused) == (tmp_path, [])
    assert clips[4] == Clip(
        clip_id="D-_DDDDDDDD#4",
        path="AVE/D-_DDDDDDDD.mp4",
        label="Baby cry, infant cry",
        split="validation",
        source_id="D-_DDDDDDDD",
        start_seconds=1,
        end_seconds=3,
    )
    assert [clip.clip_id for clip in clips[:2]] == ["AAAAAAAAAAA#0", "AAAAAAAAAAA#1"]


def test_an_event_without_length_has_no_times(tmp_path: Path) -> None:
    clip = clips_of(make(tmp_path))[3]
    assert (clip.start_seconds, clip.end_seconds) == (None, None)


def test_a_header_is_no_row(tmp_path: Path) -> None:
    expected = clips_of(make(tmp_path))
    text = (tmp_path / "Annotations.txt").read_text()
    (tmp_path / "Annotations.txt").write_text(f"Category&VideoID&Quality&StartTime&EndTime\n{text}\n")
    assert clips_of(tmp_path) == expected


@pytest.mark.parametrize(
    ("protocol", "rows"),
    [
        (None, {"train": [0, 2], "validation": [3, 4], "test": [1, 5]}),
        ("official", {"train": [0, 2], "validation": [3, 4], "test": [1, 5]}),
        ("official_clean", {"train": [2], "validation": [3, 4], "test": [1, 5]}),
        ("eics15", {"train": [0, 2, 4], "validation": [], "test": [5]}),
        ("cml", {"train": [1, 5], "validation": [0, 4], "test": [2, 3]}),
    ],
)
def test_a_protocol_decides_rows_and_splits(protocol: str | None, rows: dict[str, list[int]], tmp_path: Path) -> None:
    clips = clips_of(make(tmp_path), protocol)
    found = {split: [int(c.clip_id.partition("#")[2]) for c in clips if c.split == split] for split in rows}
    assert found == rows


@needs_published
def test_the_published_rows_and_videos_are_all_there(published: Path) -> None:
    clips = clips_of(published)
    assert len({clip.clip_id for clip in clips}) == 4143
    assert len({clip.source_id for clip in clips}) == 4097
    assert len({clip.label for clip in clips}) == 28


@needs_published
@pytest.mark.parametrize(
    ("protocol", "sizes"),
    [
        ("official", (3339, 402, 402)),
        ("official_clean", (3330, 402, 402)),
        ("eics15", (1820, 0, 195)),
        ("cml", (3339, 402, 402)),
    ],
)
def test_the_published_splits_have_these_sizes(protocol: str, sizes: tuple[int, ...], published: Path) -> None:
    count = Counter(clip.split for clip in clips_of(published, protocol))
    assert (count["train"], count["validation"], count["test"]) == sizes


@needs_published
def test_the_15_classes_are_validated_on_a_part_of_train(published: Path) -> None:
    clips = clips_of(published, "eics15")
    assigned = assign_splits(clips, dataset_params(validation_fraction=0.2))
    count = Counter(clip.split for clip in assigned)
    assert (count["train"] + count["validation"], count["test"]) == (1820, 195)
    assert abs(count["validation"] - 0.2 * 1820) <= 15 / 2  # rounded in each class
    assert not videos(assigned, "train") & videos(assigned, "validation")
    assert videos(assigned, "test") == videos(clips, "test")


@needs_published
@pytest.mark.parametrize(("protocol", "n_leaks"), [("official", 8), ("official_clean", 0), ("eics15", 0), ("cml", 1)])
def test_test_videos_that_are_also_trained_or_chosen_on(protocol: str, n_leaks: int, published: Path) -> None:
    clips = clips_of(published, protocol)
    assert len(videos(clips, "test") & videos(clips, "train", "validation")) == n_leaks


@needs_published
def test_chance_of_cross_modal_localisation_is_that_of_the_papers(published: Path) -> None:
    lengths = [clip.end_seconds - clip.start_seconds for clip in clips_of(published, "cml") if clip.split == "test"]  # type: ignore[operator]  # test events have times
    assert {min(lengths), max(lengths)} == {2, 9}
    assert np.mean([1 / (10 - length + 1) for length in lengths]) == pytest.approx(0.208, abs=5e-4)


@needs_published
def test_the_classes_of_the_papers_are_classes_of_ave(published: Path) -> None:
    assert len(EICS_CLASSES) == 15
    assert {clip.label for clip in clips_of(published, "eics15")} == set(EICS_CLASSES)


def test_an_unknown_protocol_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=rf"dataset.protocol='offical'; expected null or one of \['{PROTOCOLS[0]}'"):
        clips_of(make(tmp_path), "offical")


def test_a_fold_is_refused_as_the_split_is_published(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"dataset.fold=0: source 'ave' has its own split; expected null"):
        clips_of(make(tmp_path), fold=0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Bark&FFFFFFFFFFF&good&0", "expected category&ID&quality&start&end, the times in seconds"),
        ("Bark&FFFFFFFFFFF&good&zero&1", "expected category&ID&quality&start&end, the times in seconds"),
        ("Bark&../FFFFFFFF&good&0&1", "expected a category, a YouTube ID, and 0 <= start <= end"),
        ("Bark&FFFFFFFFFFF&good&2&1", "expected a category, a YouTube ID, and 0 <= start <= end"),
        ("Bark&FFFFFFFFFFF&good&0&inf", "expected a category, a YouTube ID, and 0 <= start <= end"),
        ("&FFFFFFFFFFF&good&1&2", "expected a category, a YouTube ID, and 0 <= start <= end"),
    ],
)
def test_a_bad_annotation_is_named(line: str, problem: str, tmp_path: Path) -> None:
    with (make(tmp_path) / "Annotations.txt").open("a") as file:
        file.write(line)
    with pytest.raises(DataError, match=rf"Annotations.txt: line 7: '{line}'; {problem}"):
        clips_of(tmp_path)


def test_annotations_in_another_encoding_are_named(tmp_path: Path) -> None:
    (make(tmp_path) / "Annotations.txt").write_bytes(b"caf\xe9&AAAAAAAAAAA&good&0&1")
    with pytest.raises(
        DataError, match=r"Annotations.txt: .*; expected lines of category&ID&quality&start&end in UTF-8"
    ):
        clips_of(tmp_path)


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ([0, 2, 6], r"row 6; expected 0 to 5, as there are 6 rows"),
        ([0, 2, -1], r"row -1; expected 0 to 5"),
        ([0, 2, 0], r"row 0 is in train already; expected each row in one file, once"),
        ([0.0, 2.0], r"order has shape \(2,\) of float64; expected \(n,\) of integers"),
        ([[0, 2]], r"order has shape \(1, 2\) of int64; expected \(n,\) of integers"),
    ],
)
def test_an_order_file_that_does_not_fit_is_named(order: list[object], problem: str, tmp_path: Path) -> None:
    write_order(make(tmp_path) / "train_order.h5", order)
    with pytest.raises(DataError, match=rf"train_order.h5: {problem}"):
        clips_of(tmp_path)


def test_a_row_in_two_order_files_is_named(tmp_path: Path) -> None:
    write_order(make(tmp_path) / "test_order.h5", [5, 1, 2])
    with pytest.raises(DataError, match=r"test_order.h5: row 2 is in train already"):
        clips_of(tmp_path)


def test_a_row_in_no_order_file_is_named(tmp_path: Path) -> None:
    write_order(make(tmp_path) / "train_order.h5", [0])
    with pytest.raises(DataError, match=r"1 of 6 rows are in no order file, such as 2; expected .* of one release"):
        clips_of(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "no HDF5", "another key"])
def test_an_order_file_that_cannot_be_read_is_named(damage: str, tmp_path: Path) -> None:
    path = make(tmp_path) / "val_order.h5"
    path.unlink()
    if damage == "no HDF5":
        path.write_bytes(b"order")
    if damage == "another key":
        write_order(path, [4, 3], key="ordre")
    with pytest.raises(DataError, match=r"val_order.h5: .*; expected an (HDF5 file that can be read|array under this)"):
        clips_of(tmp_path)


def test_an_order_that_is_a_folder_of_hdf5_is_named(tmp_path: Path) -> None:
    write_order(make(tmp_path) / "val_order.h5", [4, 3], key="order/inner")
    with pytest.raises(DataError, match=r"val_order.h5: order: not there, or no array"):
        clips_of(tmp_path)


@pytest.mark.parametrize("header", ["", "Category&VideoID&Quality&StartTime&EndTime\n"])
def test_a_byte_order_mark_and_windows_line_ends_change_no_class(header: str, tmp_path: Path) -> None:
    expected = clips_of(make(tmp_path))
    text = f"{header}{(tmp_path / 'Annotations.txt').read_text()}".replace("\n", "\r\n")
    (tmp_path / "Annotations.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert clips_of(tmp_path) == expected


@pytest.mark.parametrize(("name", "kind"), [("AVE", "folder"), ("Annotations.txt", "file")])
def test_a_part_of_another_kind_is_named(name: str, kind: str, tmp_path: Path) -> None:
    (make(tmp_path) / name).rename(tmp_path / "elsewhere")
    (tmp_path / name).touch() if kind == "folder" else (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=rf"{name}: no {kind}; expected DIR/AVE/ID.mp4, DIR/Annotations.txt and DIR/"):
        clips_of(tmp_path)


@pytest.mark.parametrize("name", ["AVE", "Annotations.txt"])
def test_a_part_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    (make(tmp_path) / name).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=rf"{name}: missing; expected DIR/AVE/ID.mp4, DIR/Annotations.txt and DIR/"):
        clips_of(tmp_path)
