"""The plane of a model's common space, against the singular values of its rows."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from pipeline.evaluate.planes import plane, plane_rows
from pipeline.formats.embeddings import Embeddings
from tests.evaluate.test_model_metrics import make


def test_the_plane_keeps_what_the_two_largest_singular_values_say() -> None:
    made = make()
    rows = np.concatenate([made.audio[0], made.visual[0]]).astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    variances = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    seen = plane(made)
    assert seen.fractions == pytest.approx(variances[:2] / variances.sum())
    places = np.concatenate([seen.audio, seen.visual])
    assert (places**2).sum(axis=0) == pytest.approx(variances[:2], rel=1e-4)
    assert places.mean(axis=0) == pytest.approx(0, abs=1e-6)


def test_the_places_are_those_of_scikit_learn_turned_the_same_way() -> None:
    made = make()
    rows = normalize(np.concatenate([made.audio[0], made.visual[0]]).astype(float))
    expected = PCA(2, svd_solver="full").fit_transform(rows)
    seen = plane(made)
    np.testing.assert_allclose(np.concatenate([seen.audio, seen.visual]), expected, atol=1e-6)


def test_a_row_has_a_clip_its_class_and_both_places() -> None:
    made = make(n_seeds=1, n=4)
    seen = plane(made)
    rows = plane_rows(list("abcd"), made, seen)
    assert [(row["clip_id"], row["class"]) for row in rows] == [*zip("abcd", ["cat", "dog", "owl", "cat"], strict=True)]
    assert [row["visual_y"] for row in rows] == seen.visual[:, 1].tolist()


@pytest.mark.parametrize("width", [1, 3])
def test_a_space_without_a_second_axis_has_zeros(width: int) -> None:
    same = np.ones((1, 5, width), np.float32)
    seen = plane(Embeddings(same, same, np.zeros(5, np.int64), ["a"]))
    assert np.concatenate([seen.audio, seen.visual]) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(seen.fractions).all()
