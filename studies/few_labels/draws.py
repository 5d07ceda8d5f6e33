"""What the study of few labels fits on: made pairs, feature files, and which of their train labels are left."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.dataset.demo.labels import some_of
from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts.base import Pairs

MADE, MADE_HARD = "made", "made_hard"
N_MADE = {"train": 600, "validation": 60, "test": 300}
N_CLASSES, N_CODE, N_NUISANCE, WIDTH = 10, 8, 16, 64
CODE_SD, NOISE_SD = 1.3, 0.5


class Draw(NamedTuple):
    """One draw: which data, how much is common to a pair, which labels are left, and the seed."""

    data: str
    shared: float | None
    labelled: float
    wrong: float
    seed: int


def splits_of(draw: Draw, features: Path | None) -> dict[str, Pairs]:
    """Return the pairs of a draw by split, with all labels; ``features`` is the file of a set that is not made."""
    if features is None:
        return made_pairs(draw.data, draw.shared or 0.0, draw.seed)
    table = FeatureTable.load(features)
    return {split: Pairs(*table.rows(split)) for split in N_MADE}


def made_pairs(data: str, shared: float, seed: int) -> dict[str, Pairs]:
    """Return pairs whose modalities share their class and a part of their nuisance, by split.

    A clip has a class code (8 numbers of standard deviation 1.3) and a nuisance a modality (16 of variance 1), of whose
    variance ``shared`` is from one draw for both; a modality is ``tanh(z W)`` and noise, 64 wide. In ``made`` code and
    nuisance stand side by side in ``z``; in ``made_hard`` the code is added to the first half of the nuisance.

    Args:
        data: ``made`` or ``made_hard``.
        shared: share of the nuisance's variance, 0 to 1.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    codes = CODE_SD * rng.standard_normal((N_CLASSES, N_CODE))
    if data == MADE_HARD:
        codes = np.pad(codes, ((0, 0), (0, N_NUISANCE - N_CODE)))
    width = N_NUISANCE + (N_CODE if data == MADE else 0)
    mixing = rng.standard_normal((2, width, WIDTH)) / math.sqrt(width)
    made = {}
    for split, n in N_MADE.items():
        labels = rng.permutation(np.arange(n) % N_CLASSES)
        common, *own = rng.standard_normal((3, n, N_NUISANCE))
        views = []
        for private, matrix in zip(own, mixing, strict=True):
            nuisance = math.sqrt(shared) * common + math.sqrt(1 - shared) * private
            z = np.hstack([codes[labels], nuisance]) if data == MADE else codes[labels] + nuisance
            views.append((np.tanh(z @ matrix) + NOISE_SD * rng.standard_normal((n, WIDTH))).astype(np.float32))
        made[split] = Pairs(views[0], views[1], labels)
    return made


def with_labels(train: Pairs, labelled: float, wrong: float, seed: int) -> Pairs:
    """Return train pairs of which some keep their label: as many of each class, at least one; others have -1.

    Args:
        train: (n, width) with all labels.
        labelled: share of a class that keeps its label.
        wrong: share of these whose label is drawn anew from all classes.
        seed: of the draw.
    """
    return train._replace(labels=some_of(train.labels, labelled, wrong, np.random.default_rng([seed, 1])))
