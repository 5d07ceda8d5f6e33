import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from sklearn.decomposition import PCA

from pipeline.errors import DataError
from pipeline.features import pca as room
from pipeline.features.pca import fit_pca, load_pca, save_pca, transform


def correlated_rows(n: int, d: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + rng.standard_normal(d) * 10


@pytest.mark.parametrize(("n", "d", "k"), [(200, 12, 12), (200, 12, 5), (9, 30, 8)], ids=["all", "leading", "n < d"])
def test_components_and_eigenvalues_are_those_of_scikit_learn(n: int, d: int, k: int) -> None:
    rows = correlated_rows(n, d)
    expected = PCA(n_components=k, svd_solver="full").fit(rows)
    pca = fit_pca(rows, k)
    np.testing.assert_allclose(pca.mean, expected.mean_)
    np.testing.assert_allclose(pca.eigenvalues, expected.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(np.abs(pca.components), np.abs(expected.components_), atol=1e-6)


def test_coordinates_are_those_of_scikit_learn_up_to_sign() -> None:
    rows, unseen = correlated_rows(100, 6), correlated_rows(20, 6, seed=1)
    expected = PCA(n_components=3, svd_solver="full").fit(rows).transform(unseen)
    coordinates = transform(fit_pca(rows, 3), unseen, whiten=False, epsilon=0.0)
    np.testing.assert_allclose(np.abs(coordinates), np.abs(expected), rtol=1e-5, atol=1e-4)


def test_the_covariance_of_whitened_rows_is_the_identity() -> None:
    rows = correlated_rows(300, 8)
    whitened = transform(fit_pca(rows, 8), rows, whiten=True, epsilon=0.0)
    np.testing.assert_allclose(np.cov(whitened, rowvar=False), np.eye(8), atol=1e-5)


def test_epsilon_joins_the_variance_under_the_root() -> None:
    rows = np.array([[-1.0], [0.0], [1.0]])  # variance 1
    whitened = transform(fit_pca(rows, 1), rows, whiten=True, epsilon=3.0)
    np.testing.assert_allclose(whitened, rows / 2)


@pytest.mark.parametrize("chunk_rows", [1, 7])
def test_components_of_many_chunks_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch, chunk_rows: int) -> None:
    rows = np.sort(correlated_rows(300, 12), axis=0)  # every chunk has a mean of its own
    monkeypatch.setattr(room, "CHUNK_ROWS", chunk_rows)
    expected, pca = PCA(n_components=12, svd_solver="full").fit(rows), fit_pca(rows, 12)
    np.testing.assert_allclose(pca.mean, expected.mean_)
    np.testing.assert_allclose(pca.eigenvalues, expected.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(np.abs(pca.components), np.abs(expected.components_), atol=1e-6)


def test_memory_beside_the_rows_does_not_grow_with_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CHUNK_ROWS", 256)
    rows = np.random.default_rng(0).standard_normal((20000, 32)).astype(np.float32)
    tracemalloc.start()
    fit_pca(rows, 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows.nbytes / 2


def test_rows_longer_than_a_chunk_are_transformed_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = correlated_rows(100, 4)
    expected = PCA(n_components=4, svd_solver="full").fit(rows).transform(rows)
    monkeypatch.setattr(room, "CHUNK_ROWS", 7)
    coordinates = transform(fit_pca(rows, 4), rows, whiten=False, epsilon=0.0)
    np.testing.assert_allclose(np.abs(coordinates), np.abs(expected), rtol=1e-5, atol=1e-4)


def test_no_more_components_come_back_than_the_rows_span() -> None:
    plane = correlated_rows(50, 2) @ np.random.default_rng(1).standard_normal((2, 10))
    assert fit_pca(plane, 10).components.shape == (2, 10)


def test_the_largest_coefficient_of_each_component_is_positive() -> None:
    components = fit_pca(correlated_rows(50, 10), 10).components
    assert (components.max(axis=1) > -components.min(axis=1)).all()


def test_float32_rows_lose_nothing_to_a_large_offset() -> None:
    rows = np.random.default_rng(0).integers(0, 8, (500, 3)).astype(np.float32) + np.float32(2**20)
    exact = np.linalg.eigvalsh(np.cov(rows.astype(np.float64), rowvar=False))[::-1]
    np.testing.assert_allclose(fit_pca(rows, 3).eigenvalues, exact, rtol=1e-9)


def test_coordinates_are_float32() -> None:
    rows = correlated_rows(10, 3)
    assert transform(fit_pca(rows, 2), rows, whiten=True, epsilon=1e-4).dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "n_components", "message"),
    [
        (np.ones((0, 3)), 2, r"0 row\(s\); expected at least 2"),
        (np.ones((1, 3)), 2, r"1 row\(s\); expected at least 2"),
        (np.ones((5, 3)), 2, r"all rows are equal"),
        (np.full((3, 3), 0.1), 2, r"all rows are equal"),  # their mean is off by rounding
        (np.ones(3), 2, r"shape \(3,\); expected \(n_rows, n_features\)"),
        (np.array([[0.0], [np.nan]]), 1, r"row 1 has NaN"),
        (np.eye(3), 0, r"n_components=0; expected at least 1"),
    ],
)
def test_rows_that_have_no_components_are_refused(rows: NDArray[np.float64], n_components: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_pca(rows, n_components)


def test_equal_rows_in_many_chunks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CHUNK_ROWS", 3)
    with pytest.raises(DataError, match="all rows are equal"):
        fit_pca(np.full((10, 2), 0.1), 1)


def test_rows_of_another_width_than_the_fitted_ones_are_refused() -> None:
    with pytest.raises(DataError, match=r"width 4; expected 3, as in the rows it is fitted on"):
        transform(fit_pca(np.eye(3), 2), np.eye(4), whiten=False, epsilon=0.0)


def test_two_rows_have_one_component_along_their_difference() -> None:
    rows = np.array([[1.0, 2.0], [4.0, 6.0]])  # 3, 4 and 5
    pca = fit_pca(rows, 2)
    np.testing.assert_allclose(pca.components, [[0.6, 0.8]])
    np.testing.assert_allclose(pca.eigenvalues, [12.5])


def test_a_constant_feature_has_no_part_in_a_component() -> None:
    rows = np.column_stack([np.full(3, 0.1), [1.0, 2.0, 4.0]])  # the mean of three times 0.1 is off by rounding
    assert fit_pca(rows, 2).components.tolist() == [[0.0, 1.0]]


def test_a_saved_pca_comes_back_bit_by_bit(tmp_path: Path) -> None:
    pca = fit_pca(correlated_rows(20, 4), 3)
    save_pca(pca, tmp_path / "pca.safetensors")
    for kept, loaded in zip(pca, load_pca(tmp_path / "pca.safetensors"), strict=True):
        np.testing.assert_array_equal(loaded, kept, strict=True)
    assert load_file(tmp_path / "pca.safetensors")["components"].shape == (3, 4)


@pytest.mark.parametrize("damage", ["missing", "no tensors", "other tensors"])
def test_a_file_that_holds_no_pca_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "pca.safetensors"
    if damage == "no tensors":
        path.write_bytes(b"no tensors here")
    if damage == "other tensors":
        save_file({"weights": np.ones(3)}, path)
    with pytest.raises(DataError, match=r"pca.safetensors: .*; expected a PCA that the stage `features` wrote"):
        load_pca(path)


def test_a_row_to_transform_that_is_not_finite_is_named() -> None:
    rows = np.eye(3)
    rows[1, 2] = np.nan
    with pytest.raises(DataError, match=r"row 1 has NaN or infinite values"):
        transform(fit_pca(np.eye(3), 2), rows, whiten=False, epsilon=0.0)
