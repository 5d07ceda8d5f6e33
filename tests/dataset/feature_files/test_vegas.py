import hashlib
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.dataset.feature_files.imported import Imported
from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError, ParamsError
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import make_d, write_d
from tests.helpers.project import ROOT

CLIPS = make_d()
FOLDS = [sorted(CLIPS)[i::5] for i in range(5)]


def read(path: Path, **changes: Any) -> Imported:  # noqa: ANN401 - whatever a user may write
    return import_table(dataset_params(source="features", path=path, **changes))


def test_eight_bits_are_averaged_and_brought_near_zero(tmp_path: Path) -> None:
    table = read(write_d(tmp_path, CLIPS, FOLDS)).table
    for i, clip_id in enumerate(table.clip_ids):
        audio, visual, label = CLIPS[clip_id]
        for mean, vectors in ((table.audio[i], audio), (table.visual[i], visual)):
            expected = (vectors.sum(axis=0) / len(vectors) - 128) / 256
            np.testing.assert_array_equal(mean, expected.astype(np.float32))
        assert table.classes[table.labels[i]] == str(label)
    assert "(x - 128) / 256" in table.provenance["imported"]["scaling"]


def test_floats_are_averaged_only(tmp_path: Path) -> None:
    clips = {i: [audio.astype(np.float32), visual, label] for i, (audio, visual, label) in CLIPS.items()}
    table = read(write_d(tmp_path, clips, FOLDS)).table
    np.testing.assert_allclose(table.audio[0], CLIPS["v00"][0].mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("fold", [None, 0, 3])
def test_the_fold_that_is_asked_for_is_test_and_all_others_train(tmp_path: Path, fold: int | None) -> None:
    table = read(write_d(tmp_path, CLIPS, FOLDS), fold=fold).table
    tested = {i for i, split in zip(table.clip_ids, table.splits, strict=True) if split == "test"}
    assert tested == set(FOLDS[fold or 0])
    assert table.clip_ids == sorted(CLIPS)
    assert table.provenance["imported"]["split"] == f"folds: number {fold or 0} of 5 is test"
    assert set(table.splits) == {"train", "test"}


def test_lists_may_be_arrays_and_labels_one_hot(tmp_path: Path) -> None:
    one_hot = [np.eye(3)[number % 3] for number in range(len(CLIPS))]
    labels = [row[None] if number % 2 else row for number, row in enumerate(one_hot)]  # also as a row of a matrix
    clips = {i: [*arrays[:2], label] for (i, arrays), label in zip(CLIPS.items(), labels, strict=True)}
    root = write_d(tmp_path, clips, [])
    for i, ids in enumerate(FOLDS):
        np.save(root / "folds" / f"{i}.npy", np.array(ids))
    table = read(root).table
    assert table.clip_ids == sorted(CLIPS)
    assert [int(table.classes[label]) for label in table.labels] == [int(CLIPS[i][2]) for i in table.clip_ids]


def test_a_list_may_name_files_and_hold_several_in_a_line(tmp_path: Path) -> None:
    table = read(write_d(tmp_path, CLIPS, [["v00.npy v01.npy", "v02"], ["v03"]])).table
    assert dict(zip(table.clip_ids, table.splits, strict=True)) == dict.fromkeys(("v00", "v01", "v02"), "test") | {
        "v03": "train"
    }


def test_a_byte_order_mark_and_windows_line_ends_lose_no_clip(tmp_path: Path) -> None:
    root = write_d(tmp_path, CLIPS, FOLDS)
    for path in (root / "folds").iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    imported = read(root)
    assert (imported.table.clip_ids, imported.refused) == (sorted(CLIPS), [])


def test_lists_are_counted_by_their_numbers(tmp_path: Path) -> None:
    ids = sorted(CLIPS)[:11]
    table = read(write_d(tmp_path, CLIPS, [[clip_id] for clip_id in ids]), fold=2).table
    tested = [clip_id for clip_id, split in zip(table.clip_ids, table.splits, strict=True) if split == "test"]
    assert tested == [ids[2]]  # of fold_2, which comes before fold_10


def test_a_folder_among_the_lists_is_named(tmp_path: Path) -> None:
    (write_d(tmp_path, CLIPS, FOLDS) / "folds" / "__MACOSX").mkdir()
    with pytest.raises(DataError, match=r"__MACOSX: no file; expected a text file, an ID a line"):
        read(tmp_path)


def test_folds_without_a_list_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folds: no list; expected lists of ids, one of them the test fold"):
        read(write_d(tmp_path, CLIPS, []))


@pytest.mark.parametrize("clip_id", ["../../secret", "/secret", "x/../../secret"])
def test_an_id_that_leaves_the_folder_is_refused(clip_id: str, tmp_path: Path) -> None:
    imported = read(write_d(tmp_path, CLIPS, [*FOLDS, [clip_id]]))
    assert [(row.clip_id, row.kind) for row in imported.refused] == [(clip_id, "outside_root")]


@pytest.mark.parametrize("kind", ["pickle", "Latin 1", "empty"])
def test_a_list_that_cannot_be_read_is_named(kind: str, tmp_path: Path) -> None:
    path = write_d(tmp_path, CLIPS, []) / "folds" / ("fold_0" if kind == "Latin 1" else "fold_0.npy")
    path.write_bytes(b"\xe9t\xe9" if kind == "Latin 1" else b"")
    if kind == "pickle":
        np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match=rf"{path.name}: .*; expected ids, as text in UTF-8 or in a NumPy array"):
        read(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "readme",
        "fold_0.txt~",
        "fold_0.bak",
        "#fold_0.txt#",
        "fold_0.txt.swp",
        "fold_0 (copy).txt",
        "Thumbs.db",
    ],
)
def test_what_is_not_called_as_the_lists_is_named_and_moves_no_fold(name: str, tmp_path: Path) -> None:
    (write_d(tmp_path, CLIPS, FOLDS) / "folds" / name).write_text("four words of text")
    message = re.escape(f"folds/{name}: not called as the other lists (fold_N.txt); expected lists of IDs")
    with pytest.raises(DataError, match=message):
        read(tmp_path, fold=1)


def test_two_lists_of_one_number_are_named(tmp_path: Path) -> None:
    (write_d(tmp_path, CLIPS, FOLDS) / "folds" / "fold_01.txt").touch()
    with pytest.raises(DataError, match=r"fold_1\.txt: the number of fold_01\.txt; expected a number of its own"):
        read(tmp_path)


def test_lists_without_a_number_are_named(tmp_path: Path) -> None:
    root = write_d(tmp_path, CLIPS, [])
    for name in ("first", "second"):
        (root / "folds" / name).write_text("v00")
    with pytest.raises(DataError, match=r"folds/first: not called as .*; expected .* whose names differ in a number"):
        read(root)


CASE = ROOT / ".." / "shared" / "cases" / "readme_in_folds" / "rif.tgz"


@pytest.mark.skipif(not CASE.exists(), reason="needs ../shared/cases")
def test_a_readme_beside_the_lists_is_named(tmp_path: Path) -> None:
    with tarfile.open(CASE) as archive:
        archive.extractall(tmp_path, filter="data")
    with pytest.raises(DataError, match=r"README\.md: not called as the other lists \(fold_N\)"):
        read(tmp_path / "readme_in_folds", fold=1)


def test_a_hidden_file_is_no_list(tmp_path: Path) -> None:
    root = write_d(tmp_path, CLIPS, FOLDS)
    (root / "folds" / ".notes").write_text("v00")
    assert read(root).table.provenance["imported"]["split"] == "folds: number 0 of 5 is test"


def test_every_byte_of_the_listed_clips_counts_in_the_provenance(tmp_path: Path) -> None:
    root = write_d(tmp_path, CLIPS, FOLDS)
    files = [
        root / folder / f"{clip_id}.npy"
        for clip_id in sorted(CLIPS)
        for folder in ("vgg", "inception", "VEGAS_classes")
    ]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    assert read(root).table.provenance["imported"]["files"] == {root.name: digest}


def test_a_clip_in_no_list_is_left_out(tmp_path: Path) -> None:
    table = read(write_d(tmp_path, CLIPS, [["v00", "v01", "v02"], ["v03"]])).table
    assert table.clip_ids == ["v00", "v01", "v02", "v03"]


BROKEN: list[tuple[str, int, Any, str]] = [
    ("too_short", 0, np.zeros((0, 4), np.uint8), "clip 'v01': vgg: no vector; expected at least one"),
    ("undecodable", 1, np.array([[1.0, np.nan, 0]]), "inception/v01.npy: row 0 has NaN"),
    ("undecodable", 0, np.array(1.0), r"vgg/v01.npy: shape \(1,\); expected numbers of shape \(n, width\)"),
    ("undecodable", 1, np.array(["x"]), "inception/v01.npy: type <U1, of shape"),
    ("bad_label", 2, np.array(0.5), "VEGAS_classes/v01.npy: row 0 is 0.5"),
    ("bad_label", 2, np.array([1, 1, 0]), r"VEGAS_classes: \[1, 1, 0\]; expected one whole number, or one-hot"),
]


@pytest.mark.parametrize(("kind", "place", "array", "reason"), BROKEN)
def test_a_damaged_clip_costs_that_clip_only(tmp_path: Path, kind: str, place: int, array: Any, reason: str) -> None:  # noqa: ANN401 - any array
    clips = CLIPS | {"v01": [array if k == place else a for k, a in enumerate(CLIPS["v01"])]}
    imported = read(write_d(tmp_path, clips, FOLDS))
    assert [(row.clip_id, row.stage, row.kind) for row in imported.refused] == [("v01", "dataset", kind)]
    assert re.search(reason, imported.refused[0].reason)
    assert len(imported.table.clip_ids) == len(CLIPS) - 1


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("missing", lambda path: path.unlink()),
        ("undecodable", lambda path: path.write_bytes(b"no array")),
        ("undecodable", lambda path: path.write_bytes(path.read_bytes()[:-2])),
        ("unreadable", lambda path: (path.unlink(), path.mkdir())),
    ],
    ids=["gone", "no array", "cut", "folder"],
)
def test_a_damaged_file_costs_that_clip_only(tmp_path: Path, kind: str, damage: Any) -> None:  # noqa: ANN401 - a lambda
    root = write_d(tmp_path, CLIPS, FOLDS)
    damage(root / "vgg" / "v02.npy")
    assert [(row.clip_id, row.kind) for row in read(root).refused] == [("v02", kind)]


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (b"(4, 4)", b"(4, 4 "),  # NumPy's parser of Python: a TokenError
        (b"(4, 4), ", b"(9999999999999, 99999999)"),  # more than there is memory
        (b"'|u1'", b"('u',)"),  # an IndexError
    ],
)
def test_a_damaged_header_costs_that_clip_only(tmp_path: Path, true: bytes, false: bytes) -> None:
    path = write_d(tmp_path, CLIPS, FOLDS) / "vgg" / "v02.npy"
    head, rest = path.read_bytes()[:128], path.read_bytes()[128:]
    assert true in head
    path.write_bytes(head.replace(true, false)[:127].ljust(127) + b"\n" + rest)
    assert [(row.clip_id, row.kind) for row in read(tmp_path).refused] == [("v02", "undecodable")]


def test_a_pickle_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    root = write_d(tmp_path, CLIPS, FOLDS)
    np.save(root / "vgg" / "v02.npy", np.array([{}]), allow_pickle=True)
    (row,) = read(root).refused
    assert row.kind == "undecodable"
    assert "allow_pickle=False" in row.reason


@pytest.mark.parametrize(("present", "missing"), [("vgg", "inception"), ("inception", "vgg")])
def test_a_folder_that_is_missing_is_named(present: str, missing: str, tmp_path: Path) -> None:
    (tmp_path / present).mkdir()
    with pytest.raises(DataError, match=rf"schema D without \['{missing}', 'VEGAS_classes', 'folds'\]; expected"):
        read(tmp_path)


def test_an_id_in_two_lists_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="clip 'v00' stands there 2 times; expected once in all lists"):
        read(write_d(tmp_path, CLIPS, [["v00", "v01"], ["v00"]]))


def test_a_fold_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"dataset.fold=2; expected 0 to 1, the lists in"):
        read(write_d(tmp_path, CLIPS, [["v00"], ["v01"]]), fold=2)


def test_arrays_on_another_disk_are_read_through_links(tmp_path: Path) -> None:
    root = write_d(tmp_path / "here", CLIPS, FOLDS)
    (root / "vgg").rename(tmp_path / "vgg")
    (root / "vgg").symlink_to(tmp_path / "vgg")
    (root / "inception" / "v00.npy").rename(tmp_path / "one.npy")
    (root / "inception" / "v00.npy").symlink_to(tmp_path / "one.npy")
    imported = read(root)
    assert (sorted(imported.table.clip_ids), imported.refused) == (sorted(CLIPS), [])


@pytest.mark.parametrize("n_sound", [0, 1])
def test_where_nothing_can_be_told_apart_all_refusals_are_listed(n_sound: int, tmp_path: Path) -> None:
    imported = read(write_d(tmp_path, CLIPS, [["a", "b", *sorted(CLIPS)[:n_sound]]]))
    assert imported.table.clip_ids == []
    assert [(row.clip_id, row.kind) for row in imported.refused] == [("a", "missing"), ("b", "missing")]
    assert "vgg/" in imported.refused[0].reason
    assert "no such file" in imported.refused[0].reason


@pytest.mark.parametrize(("numbers", "missing"), [((0, 1, 3, 4), 2), ((1, 2, 4, 5), 3), ((0, 1, 2, 10), 3)])
def test_a_list_that_is_missing_among_others_moves_no_fold(
    numbers: tuple[int, ...], missing: int, tmp_path: Path
) -> None:
    root = write_d(tmp_path, CLIPS, [])
    for number, ids in zip(numbers, FOLDS, strict=False):
        (root / "folds" / f"fold_{number}.txt").write_text("\n".join(ids))
    with pytest.raises(DataError, match=rf"folds: no list of number {missing} among fold_{numbers[0]}\.txt, "):
        read(tmp_path, fold=1)


@pytest.mark.parametrize("name", ["fold_{}_of_5.txt", "vegas2018_{}.txt"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_number_that_all_lists_share_counts_no_folds(name: str, first: int, tmp_path: Path) -> None:
    root = write_d(tmp_path, CLIPS, [])
    for number, ids in enumerate(FOLDS, first):
        (root / "folds" / name.format(number)).write_text("\n".join(ids))
    table = read(tmp_path, fold=1).table
    tested = {clip_id for clip_id, split in zip(table.clip_ids, table.splits, strict=True) if split == "test"}
    assert tested == set(FOLDS[1])


def test_clips_of_different_types_are_refused(tmp_path: Path) -> None:
    clips = CLIPS | {"v03": [CLIPS["v03"][0] / 2, *CLIPS["v03"][1:]]}
    with pytest.raises(DataError, match="vgg: float64 of width 4 and uint8 of width 4; expected one width and type"):
        read(write_d(tmp_path, clips, FOLDS))


def test_clips_of_different_widths_are_refused(tmp_path: Path) -> None:
    clips = CLIPS | {"v03": [CLIPS["v03"][0][:, :2], *CLIPS["v03"][1:]]}
    with pytest.raises(DataError, match="vgg: uint8 of width 2 and uint8 of width 4; expected one width and type"):
        read(write_d(tmp_path, clips, FOLDS))
