"""Published feature files as their authors write them, small: three classes, 4 audio and 3 visual numbers a clip."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray


class Pairs(NamedTuple):
    """Clips: audio (n, 4), visual (n, 3), labels (n,) in 0 to 2, and which are train."""

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    labels: NDArray[np.int64]
    is_train: NDArray[np.bool_]


def make_pairs(n: int = 36) -> Pairs:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    audio, visual = rng.normal(size=(n, 4)), np.eye(3)[labels] + rng.normal(0, 0.3, (n, 3))
    audio[:, :3] += 3 * np.eye(3)[labels]
    return Pairs(audio.astype(np.float32), visual.astype(np.float32), labels, np.arange(n) % 4 != 0)


def write_h5(path: Path, arrays: Mapping[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array
    return path


def arrays_a(pairs: Pairs) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for side, rows in (("train", pairs.is_train), ("test", ~pairs.is_train)):
        arrays[f"audio_{side}"], arrays[f"visual_{side}"] = pairs.audio[rows], pairs.visual[rows]
        arrays[f"lab_{side}"] = pairs.labels[rows]
    return arrays


def arrays_b(pairs: Pairs, key: str = "Train_test") -> dict[str, NDArray[Any]]:
    split = pairs.is_train.astype(int).astype("S1")
    return {"audio_feat": pairs.audio, "visual_feat": pairs.visual, "Label_ID": pairs.labels, key: split}


def arrays_c(pairs: Pairs, rows: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    return {"featN1": pairs.audio[rows], "featN2": pairs.visual[rows], "testLs": pairs.labels[rows]}


def write_d(root: Path, clips: Mapping[str, Sequence[NDArray[Any]]], folds: Sequence[Sequence[str]]) -> Path:
    """Write audio, visual and label array of every clip, and a list of ids a fold."""
    for clip_id, arrays in clips.items():
        for folder, array in zip(("vgg", "inception", "VEGAS_classes"), arrays, strict=True):
            (root / folder).mkdir(parents=True, exist_ok=True)
            np.save(root / folder / f"{clip_id}.npy", array)
    (root / "folds").mkdir()
    for i, ids in enumerate(folds):
        (root / "folds" / f"fold_{i}.txt").write_text("\n".join(ids) + "\n")
    return root


def make_d(n: int = 15) -> dict[str, list[NDArray[Any]]]:
    """Clips of 2 to 4 seconds in 8 bits."""
    rng = np.random.default_rng(0)
    return {
        f"v{i:02d}": [
            *(rng.integers(0, 256, (2 + i % 3, width), dtype=np.uint8) for width in (4, 3)),
            np.array(i % 3),
        ]
        for i in range(n)
    }


def write_f(root: Path, n: int = 24, *, with_places: bool = True, with_names: bool = True) -> dict[str, NDArray[Any]]:
    """Write AVE's files: n videos of 10 seconds, two classes and background; videos 0 and 1 are one recording."""
    rng = np.random.default_rng(0)
    root.mkdir(exist_ok=True)
    one_hot = np.zeros((n, 10, 3))
    for row in range(n):
        start, end = sorted(rng.choice(11, 2, replace=False))
        one_hot[row, :, 2] = 1
        one_hot[row, start:end] = np.eye(3)[row % 2]
    arrays = {
        "audio_feature": rng.normal(size=(n, 10, 4)).astype(np.float32),
        "visual_feature": rng.normal(size=(n, 10, 7, 7, 5) if with_places else (n, 10, 5)).astype(np.float32),
        "labels": one_hot,
    }
    for name, array in arrays.items():
        write_h5(root / f"{name}.h5", {"avadataset": array})
    rows = rng.permutation(np.arange(2, n))
    orders = {"train": [1, *rows[: n // 2]], "val": rows[n // 2 : n // 2 + 4], "test": [0, *rows[n // 2 + 4 :]]}
    for name, order in orders.items():
        write_h5(root / f"{name}_order.h5", {"order": np.array(order)})
    if with_names:
        names = ["Violin, fiddle", "Bark"]
        lines = [f"{names[row % 2]}&video{max(row, 1):06d}&good&0&10" for row in range(n)]
        (root / "Annotations.txt").write_text("Category&VideoID&Quality&StartTime&EndTime\n" + "\n".join(lines) + "\n")
    return {**arrays, **{f"{name}_order": np.array(order) for name, order in orders.items()}}
