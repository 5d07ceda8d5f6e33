"""The data of the study of few labels: what made pairs share, and which labels are left."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from studies.few_labels import draws
from studies.few_labels.draws import MADE, MADE_HARD, made_pairs, with_labels


def within_classes(view: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Features less the means of their classes."""
    means = np.stack([view[labels == label].mean(axis=0) for label in range(draws.N_CLASSES)])
    return view - means[labels]


def correlation_of_partners(data: str, shared: float) -> float:
    """The largest canonical correlation within the classes, by NumPy: QR of both sides, then SVD."""
    train = made_pairs(data, shared, 0)["train"]
    first, second = (np.linalg.qr(within_classes(view, train.labels))[0] for view in (train.audio, train.visual))
    return float(np.linalg.svd(first.T @ second, compute_uv=False)[0])


@pytest.mark.parametrize("data", [MADE, MADE_HARD])
def test_made_pairs_share_as_much_of_their_nuisance_as_is_asked_for(data: str) -> None:
    none, some, most = (correlation_of_partners(data, shared) for shared in (0.0, 0.5, 0.9))
    assert none < some < most
    again = made_pairs(data, 0.5, 0)["test"]
    np.testing.assert_array_equal(again.audio, made_pairs(data, 0.5, 0)["test"].audio)
    assert np.bincount(again.labels).tolist() == [30] * 10


def test_hard_pairs_are_those_whose_classes_a_linear_discriminant_confuses() -> None:
    right = []
    for data in (MADE, MADE_HARD):
        of = made_pairs(data, 0.5, 0)
        fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2).fit(of["train"].audio, of["train"].labels)
        right.append(fitted.score(of["test"].audio, of["test"].labels))
    assert right[1] < 0.85 < 0.95 < right[0]


@pytest.mark.parametrize(("labelled", "wrong"), [(1.0, 0.0), (0.05, 0.0), (1.0, 0.4)])
def test_labels_are_hidden_class_by_class_and_some_of_the_others_redrawn(labelled: float, wrong: float) -> None:
    train = made_pairs(MADE, 0.0, 1)["train"]
    some = with_labels(train, labelled, wrong, 0)
    known = some.labels >= 0
    assert known.sum() == round(labelled * 60) * 10
    share_wrong = float((some.labels[known] != train.labels[known]).mean())
    assert share_wrong == pytest.approx(0.9 * wrong, abs=0.05)  # one of ten redrawn labels is right by chance
    if not wrong:
        assert np.bincount(some.labels[known]).tolist() == [round(labelled * 60)] * 10
