"""The protocols of AVE on its published features: the rows and splits that its videos have under them."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset.feature_files.imported import Imported, clips_of
from pipeline.dataset.leakage import leakage_counts
from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError, ParamsError
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import write_h5

CATEGORIES = ["Bark", "Goat", "Bark", "Goat", "Clock", "Bark"]
VIDEOS = ["A", "A", "B", "C", "D", "E"]  # row 0 is trained on, row 1 of the same video is test
ORDERS = {"train": [0, 2], "val": [4, 3], "test": [5, 1]}
MATCH = {"train": [5, 1], "val": [0, 4], "test": [2, 3]}


def read(path: Path, protocol: str | None = None) -> Imported:
    return import_table(dataset_params(source="features", path=path, protocol=protocol))


def write_rows(root: Path) -> Path:
    """Six rows of three classes in AVE's files, with both kinds of order files."""
    rng = np.random.default_rng(0)
    one_hot = np.zeros((6, 10, 4))
    one_hot[:, 5:, 3] = 1
    one_hot[np.arange(6), :5, [["Bark", "Clock", "Goat"].index(category) for category in CATEGORIES]] = 1
    arrays = {"audio_feature": rng.normal(size=(6, 10, 4)), "visual_feature": rng.normal(size=(6, 10, 5))}
    for name, array in {**arrays, "labels": one_hot}.items():
        write_h5(root / f"{name}.h5", {"avadataset": array})
    for ending, orders in (("", ORDERS), ("_match", MATCH)):
        for split, order in orders.items():
            write_h5(root / f"{split}_order{ending}.h5", {"order": np.array(order)})
    pairs = zip(CATEGORIES, VIDEOS, strict=True)
    lines = [f"{category}&{video * 11}&good&0&5" for category, video in pairs]
    (root / "Annotations.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize(
    ("protocol", "rows"),
    [
        (None, {"train": [0, 2], "validation": [4, 3], "test": [5, 1]}),
        ("official", {"train": [0, 2], "validation": [4, 3], "test": [5, 1]}),
        ("official_clean", {"train": [2], "validation": [4, 3], "test": [5, 1]}),
        ("eics15", {"train": [0, 2, 4], "validation": [], "test": [5]}),
        ("cml", {"train": [5, 1], "validation": [0, 4], "test": [2, 3]}),
    ],
)
def test_a_protocol_decides_rows_and_splits_as_it_does_for_videos(
    protocol: str | None, rows: dict[str, list[int]], tmp_path: Path
) -> None:
    imported = read(write_rows(tmp_path), protocol)
    table = imported.table
    pairs = list(zip(table.clip_ids, table.splits, strict=True))
    assert {split: [int(name[0]) for name, of in pairs if of == split] for split in rows} == rows
    for clip_id, label, source_id in zip(table.clip_ids, table.labels, imported.source_ids, strict=True):
        row = int(clip_id[0])
        assert (table.classes[label], source_id) == (CATEGORIES[row], VIDEOS[row] * 11)
    assert leakage_counts(clips_of(imported))["test_same_source_id"] == (protocol in (None, "official"))
    told = "order files" if protocol in (None, "official") else f"order files, protocol {protocol}"
    assert table.provenance["imported"]["split"] == told
    ending = "_match" if protocol == "cml" else ""
    assert f"test_order{ending}.h5" in table.provenance["imported"]["files"]


@pytest.mark.parametrize("protocol", ["official_clean", "eics15"])
def test_a_protocol_of_categories_and_videos_needs_the_annotations(protocol: str, tmp_path: Path) -> None:
    (write_rows(tmp_path) / "Annotations.txt").unlink()
    with pytest.raises(DataError, match=r"schema F without \['Annotations.txt'\]; expected .* Annotations.txt"):
        read(tmp_path, protocol)


def test_the_protocol_of_localisation_needs_its_match_files(tmp_path: Path) -> None:
    (write_rows(tmp_path) / "test_order_match.h5").unlink()
    with pytest.raises(DataError, match=r"schema F without \['test_order_match.h5'\]"):
        read(tmp_path, "cml")


def test_an_unknown_protocol_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"dataset.protocol='clean'; expected null or one of \['official', "):
        read(write_rows(tmp_path), "clean")
