"""AVE as its features are published, schema F: a file a modality, labels of every second, and orders as splits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips import file_sha256
from pipeline.datasets.feature_arrays import check_lengths, checked_matrix, checked_order, dataset, open_hdf5
from pipeline.datasets.imported import Imported, Rows
from pipeline.errors import DataError

AUDIO, VISUAL, LABELS = "audio_feature.h5", "visual_feature.h5", "labels.h5"
ORDERS = {"train": "train_order.h5", "validation": "val_order.h5", "test": "test_order.h5"}
NEEDED = (AUDIO, VISUAL, LABELS, ORDERS["train"], ORDERS["test"])
ANNOTATIONS, HEADER = "Annotations.txt", "Category&"
KEY, ORDER_KEY = "avadataset", "order"
BLOCK_VIDEOS = 64  # at once in memory: the visual features of all are 4 GB


def read_f(root: Path) -> Imported:
    """Return a row a video that an order file names: the mean over all its seconds and the class of its event.

    The mean does not stop at the ends of the event: a query knows of no annotation.

    Args:
        root: with audio_feature.h5, visual_feature.h5, labels.h5 and the order files, where val_order.h5 may be
            missing; with Annotations.txt the classes and videos get their names.

    Raises:
        DataError: a file or key is missing, shapes disagree, orders overlap, or a video has no event, or two classes.
    """
    if missing := [name for name in NEEDED if not (root / name).is_file()]:
        raise DataError(f"{root}: schema F without {missing}; expected {' '.join(NEEDED)}")
    audio, visual = (_means(root / name) for name in (AUDIO, VISUAL))
    labels = _event_classes(root / LABELS)
    check_lengths(str(root), {AUDIO: audio, VISUAL: visual, LABELS: labels})
    order, splits = _orders(root, len(labels))
    annotations = _annotations(root / ANNOTATIONS, len(labels))
    labels, class_names = _named(labels, [category for category, _ in annotations])
    video_ids = [annotations[row][1] for row in order.tolist()]
    rows = Rows(audio[order], visual[order], labels[order], _clip_ids(order, len(labels), video_ids), splits)
    files = [name for name in (*NEEDED, ORDERS["validation"], ANNOTATIONS) if (root / name).is_file()]
    provenance = {
        "schema": "F",
        "keys": f"{KEY} {ORDER_KEY}",
        "split": "order files",
        "scaling": "mean over all seconds and places",
        "files": {name: file_sha256(root / name) for name in files},
    }
    return Imported(rows.table(provenance, class_names), video_ids, [])


def _means(path: Path) -> NDArray[np.float32]:
    """(n, width): mean over seconds, and over places where there are any."""
    with open_hdf5(path) as file:
        array = dataset(file, KEY)
        if array.ndim not in (3, 5):
            raise DataError(
                f"{path}: {KEY}: shape {array.shape}; expected (n, seconds, width), or 7 x 7 places between"
            )
        return checked_matrix(np.concatenate(list(_block_means(array))), f"{path}: {KEY}")


def _block_means(array: Any) -> Iterator[NDArray[np.float64]]:  # noqa: ANN401 - h5py has no types
    """Means of some videos at a time."""
    for start in range(0, len(array), BLOCK_VIDEOS):
        yield array[start : start + BLOCK_VIDEOS].mean(axis=tuple(range(1, array.ndim - 1)), dtype=np.float64)


def _event_classes(path: Path) -> NDArray[np.int64]:
    """(n,) the one class, besides background, that the seconds of a video have."""
    with open_hdf5(path) as file:
        one_hot = dataset(file, KEY)[()]
    if one_hot.ndim != 3 or not (np.isin(one_hot, (0, 1)).all() and (one_hot.sum(axis=2) == 1).all()):
        raise DataError(
            f"{path}: {KEY}: shape {one_hot.shape}; expected one-hot (n, seconds, classes), background last"
        )
    has_event = one_hot[:, :, :-1].any(axis=1)  # (n, classes)
    n_classes = has_event.sum(axis=1)
    if (n_classes != 1).any():
        row = int(np.argmax(n_classes != 1))
        raise DataError(f"{path}: {KEY}: row {row} has events of {n_classes[row]} classes; expected one class a video")
    return np.asarray(has_event.argmax(axis=1), np.int64)


def _orders(root: Path, n_rows: int) -> tuple[NDArray[np.int64], list[str]]:
    """Row numbers and splits of the videos that an order file names."""
    orders = {}
    for split, name in ORDERS.items():
        if (root / name).is_file():
            with open_hdf5(root / name) as file:
                orders[split] = checked_order(dataset(file, ORDER_KEY)[()], f"{root / name}: {ORDER_KEY}", n_rows)
    joined = np.concatenate(list(orders.values()))
    checked_order(joined, f"{root}: order files together", n_rows)
    return joined, [split for split, order in orders.items() for _ in order]


def _annotations(path: Path, n_rows: int) -> list[tuple[str, str]]:
    """Category and video of every row; without the file, no names."""
    if not path.is_file():
        return [("", "")] * n_rows
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = [line.split("&") for line in lines if not line.startswith(HEADER)]
    if len(rows) != n_rows or any(len(row) < len(("category", "video")) for row in rows):
        raise DataError(
            f"{path}: {len(rows)} rows; expected {n_rows} of CATEGORY&VIDEO&..., one for each row of {LABELS}"
        )
    return [(row[0], row[1]) for row in rows]


def _named(labels: NDArray[np.int64], categories: list[str]) -> tuple[NDArray[np.int64], list[str] | None]:
    """Labels as places among the sorted categories, or as they are where there are none."""
    if not any(categories):
        return labels, None
    names = sorted(set(categories))
    places = np.array([names.index(category) for category in categories])
    if not len(names) == len(set(labels.tolist())) == len(set(zip(labels.tolist(), places.tolist(), strict=True))):
        raise DataError(f"{ANNOTATIONS} and {LABELS} disagree; expected one category for each class")
    return places, names


def _clip_ids(order: NDArray[np.int64], n_rows: int, video_ids: list[str]) -> list[str]:
    """The row, which is unique, and the video, of which there can be several rows."""
    width = len(str(n_rows - 1))
    return ["_".join(filter(None, (f"{row:0{width}d}", video))) for row, video in zip(order, video_ids, strict=True)]
