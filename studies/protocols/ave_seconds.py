"""AVE's published features second by second, in the split of cross-modal localisation."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.layouts.ave_files import ORDER_KEY, order_files, read_orders
from pipeline.errors import DataError
from pipeline.formats.hdf5 import dataset, open_hdf5
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.model_parts.base import Pairs

AUDIO, LABELS = "audio_feature.h5", "labels.h5"
VISUAL = ("visual_feature_vec.h5", "visual_feature.h5")  # the first that is there: places averaged already, or not
KEY = "avadataset"
ENDING = "_match"
BLOCK_VIDEOS = 64  # at once in memory: the visual features of all places are 4 GB


class PublishedSeconds(NamedTuple):
    """The videos of a split, second by second.

    Attributes:
        audio: (n, n_seconds, audio width) float32, each second divided by its largest absolute value.
        visual: (n, n_seconds, visual width), likewise.
        classes: (n, n_seconds) class of the event in a second; ``background`` where there is none.
        background: that number, above those of all classes.
    """

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    classes: NDArray[np.int64]
    background: int

    def pairs(self) -> "Pairs":
        """Return all seconds as pairs to fit a model on; background is a class of its own."""
        from pipeline.model_parts.base import Pairs

        return Pairs(
            self.audio.reshape(-1, self.audio.shape[-1]),
            self.visual.reshape(-1, self.visual.shape[-1]),
            self.classes.ravel(),
        )


def read_published(folder: AnyPath) -> dict[str, PublishedSeconds]:
    """Return train, validation and test of the match files.

    Args:
        folder: with audio_feature.h5, visual_feature_vec.h5 or visual_feature.h5, labels.h5, and train_order_match.h5,
            val_order_match.h5, test_order_match.h5.

    Raises:
        DataError: a file is missing or damaged, shapes disagree, or a number is not finite.
    """
    folder = Path(folder)
    visual_name = next((name for name in VISUAL if (folder / name).is_file()), VISUAL[0])
    orders = order_files(ENDING)
    needed = (AUDIO, visual_name, LABELS, *orders.values())
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise DataError(f"{folder}: no {', '.join(missing)}; expected {' '.join(needed)}, keys {KEY} and {ORDER_KEY}")
    one_hot = _one_hot(folder / LABELS)
    audio, visual = (_scaled(_read(folder / name), folder / name) for name in (AUDIO, visual_name))
    shapes = {name: array.shape[:2] for name, array in ((AUDIO, audio), (visual_name, visual), (LABELS, one_hot))}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{folder}: videos and seconds {shapes}; expected the same of all")
    rows = read_orders({split: folder / name for split, name in orders.items()}, len(audio))
    classes, background = one_hot.argmax(axis=2), one_hot.shape[2] - 1
    return {
        split: PublishedSeconds(audio[order], visual[order], classes[order], background)
        for split, order in rows.items()
    }


def _one_hot(path: Path) -> NDArray[Any]:
    """(n, n_seconds, n_classes + 1) labels, of which one is 1 in each second."""
    labels = _read(path)
    is_one_hot = (labels.max(axis=2) == 1) & (np.count_nonzero(labels, axis=2) == 1)
    if not is_one_hot.all():
        video, second = np.argwhere(~is_one_hot)[0].tolist()
        raise DataError(
            f"{path}: {KEY}: video {video}, second {second}: {labels[video, second].tolist()}; expected one 1"
        )
    return labels


def _read(path: Path) -> NDArray[Any]:
    """(n, n_seconds, width): places between, if there are any, are averaged."""
    with open_hdf5(path) as file:
        array = dataset(file, KEY)
        if array.ndim not in (3, 5) or 0 in array.shape:
            raise DataError(
                f"{path}: {KEY}: shape {array.shape}; expected (n, seconds, width), or 7 x 7 places between"
            )
        places = tuple(range(2, array.ndim - 1))
        blocks = (array[start : start + BLOCK_VIDEOS] for start in range(0, len(array), BLOCK_VIDEOS))
        return np.concatenate([block.mean(axis=places) if places else block for block in blocks])


def _scaled(seconds: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """Seconds divided by their largest absolute value, as the authors of MS-VAE do; zeros stay."""
    if not np.isfinite(seconds).all():
        raise DataError(f"{path}: {KEY}: NaN or infinite values; expected finite numbers")
    largest = np.abs(seconds).max(axis=2, keepdims=True)
    return (seconds / np.where(largest > 0, largest, 1)).astype(np.float32)
