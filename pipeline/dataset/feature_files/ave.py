"""AVE as its features are published, schema F: a file a modality, labels of every second, and orders as splits."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.base import refusal
from pipeline.dataset.feature_files.arrays import (
    check_lengths,
    check_numbers,
    checked_matrix,
)
from pipeline.dataset.feature_files.imported import FeatureRows, Imported
from pipeline.dataset.layouts.ave_files import ANNOTATIONS, ORDER_KEY, order_files, read_annotations, read_orders
from pipeline.dataset.layouts.ave_protocols import order_ending, splits_under
from pipeline.errors import DataError
from pipeline.formats.files import file_sha256
from pipeline.formats.hdf5 import dataset, open_hdf5
from pipeline.settings.paths import AnyPath

AUDIO, VISUAL, LABELS = "audio_feature.h5", "visual_feature.h5", "labels.h5"
NEEDED = (AUDIO, VISUAL, LABELS, "train_order.h5", "test_order.h5")
NAMED = ("official_clean", "eics15")  # the protocols that ask for categories and videos
KEY = "avadataset"
NO_EVENT = -1
BLOCK_VIDEOS = 64  # at once in memory: the visual features of all are 4 GB


def read_f(root: AnyPath, protocol: str = "official") -> Imported:
    """Return a row a video that an order file names: the mean over all its seconds and the class of its event.

    The mean does not stop at the ends of the event: a query knows of no annotation.

    Args:
        root: with audio_feature.h5, visual_feature.h5, labels.h5 and the order files, where val_order.h5 may be
            missing; with Annotations.txt the classes and videos get their names.
        protocol: one of ``PROTOCOLS``; ``cml`` reads the match files in place of the order files.

    Returns:
        The videos of a known class. AVE has one without an event: Annotations.txt knows its class, else it is refused.

    Raises:
        DataError: a file or key is missing, shapes disagree, orders overlap, or a video has events of two classes.
    """
    root = Path(root)
    files = order_files(order_ending(protocol))
    needed = [AUDIO, VISUAL, LABELS, files["train"], files["test"]]
    needed += [ANNOTATIONS] if protocol in NAMED else []
    if missing := [name for name in needed if not (root / name).is_file()]:
        raise DataError(f"{root}: schema F without {missing}; expected {' '.join(needed)}")
    labels, n_seconds = _event_classes(root / LABELS)
    audio, visual = (_means(root / name, len(labels), n_seconds) for name in (AUDIO, VISUAL))
    check_lengths(str(root), {AUDIO: audio, VISUAL: visual, LABELS: labels})
    annotations = _annotations(root / ANNOTATIONS, len(labels))
    labels, class_names = _named(labels, [category for category, _ in annotations])
    order, splits = _orders(root, files, len(labels))
    of_rows = [annotations[row] for row in order.tolist()]
    under = splits_under(protocol, splits, [category for category, _ in of_rows], [video for _, video in of_rows])
    used = [i for i, split in enumerate(under) if split is not None]
    order, splits = order[used], [split for split in under if split is not None]
    kept = [i for i, row in enumerate(order) if labels[row] != NO_EVENT]
    clip_ids = _clip_ids(order, [video for _, video in annotations])
    rows = FeatureRows(
        audio=audio[order[kept]],
        visual=visual[order[kept]],
        labels=labels[order[kept]],
        clip_ids=[clip_ids[i] for i in kept],
        splits=[splits[i] for i in kept],
    )
    refused = [
        refusal(clip_id, "bad_label", f"{LABELS}: no event, in any second", "one class a video")
        for i, clip_id in enumerate(clip_ids)
        if labels[order[i]] == NO_EVENT
    ]
    source_ids = [annotations[row][1] for row in order[kept].tolist()]
    return Imported(rows.table(root, _provenance(root, protocol, files), class_names), source_ids, refused)


def _provenance(root: Path, protocol: str, orders: Mapping[str, str]) -> dict[str, Any]:
    """Where the table comes from."""
    names = (AUDIO, VISUAL, LABELS, orders["train"], orders["test"], orders["validation"], ANNOTATIONS)
    files = [name for name in names if (root / name).is_file()]
    return {
        "schema": "F",
        "keys": f"{KEY} {ORDER_KEY}",
        "split": "order files" if protocol == "official" else f"order files, protocol {protocol}",
        "scaling": "mean over all seconds and places",
        "files": {name: file_sha256(root / name) for name in files},
    }


def _means(path: Path, n_rows: int, n_seconds: int) -> NDArray[np.float32]:
    """(n, width): mean over seconds, and over places where there are any; the labels have so many rows and seconds."""
    with open_hdf5(path) as file:
        array = dataset(file, KEY)
        check_numbers(array, f"{path}: {KEY}")
        if array.ndim not in (3, 5) or 0 in array.shape:
            raise DataError(
                f"{path}: {KEY}: shape {array.shape}; expected (n, seconds, width) numbers, or 7 x 7 places between"
            )
        _check_axes(array.shape, n_rows, n_seconds, f"{path}: {KEY}")
        return checked_matrix(np.concatenate(list(_block_means(array))), f"{path}: {KEY}")


def _check_axes(shape: tuple[int, ...], n_rows: int, n_seconds: int, name: str) -> None:
    """Refuse features with axes in another order than those of the labels, which the mean would hide."""
    for axis, (what, length) in enumerate((("videos", n_rows), ("seconds", n_seconds))):
        if shape[axis] != length and length in shape[axis + 1 :]:
            other = axis + 1 + shape[axis + 1 :].index(length)
            raise DataError(
                f"{name}: shape {shape}; expected (n, seconds, width) numbers, or 7 x 7 places between: it looks "
                f"transposed, its axis {other} has the {length} {what} of {LABELS}"
            )


def _block_means(array: Any) -> Iterator[NDArray[np.float64]]:  # noqa: ANN401 - h5py has no types
    """Means of some videos at a time."""
    for start in range(0, len(array), BLOCK_VIDEOS):
        yield array[start : start + BLOCK_VIDEOS].mean(axis=tuple(range(1, array.ndim - 1)), dtype=np.float64)


def _event_classes(path: Path) -> tuple[NDArray[np.int64], int]:
    """(n,) the one class, besides background, that the seconds of a video have, or NO_EVENT; and how many seconds."""
    with open_hdf5(path) as file:
        one_hot = dataset(file, KEY)[()]
    check_numbers(one_hot, f"{path}: {KEY}")
    if one_hot.ndim != 3 or one_hot.shape[-1] < 2:
        raise DataError(f"{path}: {KEY}: shape {one_hot.shape}; expected (n, seconds, classes), two classes at least")
    if (odd := np.argwhere(~np.isin(one_hot, (0, 1)))).size:
        place = tuple(odd[0].tolist())
        raise DataError(f"{path}: {KEY}: the value at {place} is {one_hot[place]}; expected 0 and 1 alone")
    if (one_hot.sum(axis=1) == 1).all() and not (one_hot.sum(axis=2) == 1).all():
        raise DataError(
            f"{path}: {KEY}: shape {one_hot.shape}; expected (n, seconds, classes): it looks transposed, "
            "its axis 2 has the seconds, as there is one 1 for each place of it"
        )
    has_event = one_hot[:, :, :-1].any(axis=1)  # (n, classes)
    n_classes = has_event.sum(axis=1)
    if (n_classes > 1).any():
        row = int(np.argmax(n_classes))
        raise DataError(f"{path}: {KEY}: row {row} has events of {n_classes[row]} classes; expected one class a video")
    return np.where(n_classes == 1, has_event.argmax(axis=1), NO_EVENT), one_hot.shape[1]


def _orders(root: Path, files: Mapping[str, str], n_rows: int) -> tuple[NDArray[np.int64], list[str]]:
    """Row numbers and splits of the videos that an order file names."""
    orders = read_orders({split: root / name for split, name in files.items() if (root / name).is_file()}, n_rows)
    return np.concatenate(list(orders.values())), [split for split, order in orders.items() for _ in order]


def _annotations(path: Path, n_rows: int) -> list[tuple[str, str]]:
    """Category and video of every row; without the file, no names."""
    if not path.is_file():
        return [("", "")] * n_rows
    rows = read_annotations(path)
    if len(rows) != n_rows:
        raise DataError(f"{path}: {len(rows)} rows; expected {n_rows}, one for each row of {LABELS}")
    return [(row.label, row.video_id) for row in rows]


def _named(labels: NDArray[np.int64], categories: list[str]) -> tuple[NDArray[np.int64], list[str] | None]:
    """Places of the categories in their sorted order, or the labels as they are where no category is known."""
    if not any(categories):
        return labels, None
    names = sorted(set(categories))
    places = np.array([names.index(category) for category in categories])
    pairs = {(label, place) for label, place in zip(labels.tolist(), places.tolist(), strict=True) if label != NO_EVENT}
    if not len(pairs) == len({label for label, _ in pairs}) == len({place for _, place in pairs}):
        raise DataError(f"{ANNOTATIONS} and {LABELS} disagree; expected one category for each class")
    return places, names


def _clip_ids(order: NDArray[np.int64], video_ids: list[str]) -> list[str]:
    """The row, which is unique, and the video, of which there can be several rows."""
    width = len(str(len(video_ids) - 1))
    return ["_".join(filter(None, (f"{row:0{width}d}", video_ids[row]))) for row in order.tolist()]
