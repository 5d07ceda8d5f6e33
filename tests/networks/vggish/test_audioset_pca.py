from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.networks.vggish.audioset_pca import VggishPca, load_vggish_pca, postprocess

GOLDEN = Path(__file__).parents[4] / "shared" / "golden" / "vggish_pca_params.npz"
BY_COORDINATE = VggishPca(np.eye(128), np.zeros(128))  # leaves the numbers as they are


def a_pca(seed: int = 0) -> VggishPca:
    rng = np.random.default_rng(seed)
    return VggishPca(rng.normal(0, 0.1, (128, 128)), rng.normal(0, 0.5, 128))


def embeddings(n: int = 5) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, 1.5, (n, 128)).astype(np.float32)


def constant(value: float) -> NDArray[np.float64]:
    return np.full((1, 128), value)


def by_hand(rows: NDArray[np.float32], pca: VggishPca) -> NDArray[np.float64]:
    """E (x - mean), clipped and scaled, one number after the other."""
    result = np.empty((len(rows), 128))
    for i, row in enumerate(rows):
        for k in range(128):
            y = sum(
                float(e) * (float(x) - float(m)) for e, x, m in zip(pca.eigen_vectors[k], row, pca.means, strict=True)
            )
            result[i, k] = 255 * (min(2.0, max(-2.0, y)) + 2) / 4
    return result


def test_pca_is_the_components_clipped_to_two_and_scaled_to_255() -> None:
    expected = by_hand(embeddings(), a_pca())
    assert (expected.min(), expected.max()) == (0, 255)  # both limits are reached
    np.testing.assert_allclose(postprocess(embeddings(), a_pca(), quantise=False), expected, rtol=1e-6, atol=1e-6)


def test_pca_uint8_is_what_a_cast_to_8_bits_leaves() -> None:
    quantised = postprocess(embeddings(), a_pca(), quantise=True)
    np.testing.assert_array_equal(quantised, by_hand(embeddings(), a_pca()).astype(np.uint8))


def test_fractions_are_cut_off_as_in_tensorflow_and_not_rounded_as_in_torch_ports() -> None:
    row = constant(4 * 100.7 / 255 - 2)
    assert np.unique(postprocess(row, BY_COORDINATE, quantise=True)) == [100]
    assert np.unique(np.rint(postprocess(row, BY_COORDINATE, quantise=False))) == [101]


@pytest.mark.parametrize(
    ("value", "level"), [(-9.0, 0), (-2.0, 0), (0.0, 127), (2 - 1e-9, 254), (2.0, 255), (9.0, 255)]
)
def test_the_8_bits_span_two_on_either_side_of_zero(value: float, level: int) -> None:
    assert np.unique(postprocess(constant(value), BY_COORDINATE, quantise=True)) == [level]


def test_the_mean_goes_before_the_components_are_taken() -> None:
    pca = VggishPca(2 * np.eye(128), np.full(128, 0.5))
    assert np.unique(postprocess(constant(1.0), pca, quantise=False)) == [191.25]  # 2 (1 - 0.5) = 1


def test_the_components_lie_in_the_rows_of_the_matrix() -> None:
    shift = VggishPca(np.roll(np.eye(128), 1, axis=1), np.zeros(128))  # component k is number k + 1
    row = np.linspace(-1, 1, 128)[None]
    expected = postprocess(np.roll(row, -1), BY_COORDINATE, quantise=False)
    np.testing.assert_array_equal(postprocess(row, shift, quantise=False), expected)


@pytest.mark.parametrize("shape", [(3, 64), (128,)])
def test_embeddings_of_another_width_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"VGGish embeddings of shape .*; expected \(n, 128\)"):
        postprocess(np.zeros(shape), BY_COORDINATE, quantise=True)


def write_npz(path: Path, eigen_vectors: NDArray[np.generic], means: NDArray[np.generic]) -> Path:
    np.savez_compressed(path, pca_eigen_vectors=eigen_vectors, pca_means=means)
    return path


@pytest.mark.parametrize("shape", [(128,), (128, 1)])
def test_means_may_be_a_row_or_a_column(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write_npz(tmp_path / "pca.npz", a_pca().eigen_vectors, a_pca().means.reshape(shape))
    read = load_vggish_pca(path)
    np.testing.assert_array_equal(read.eigen_vectors, a_pca().eigen_vectors)
    np.testing.assert_array_equal(read.means, a_pca().means)


@pytest.mark.skipif(not GOLDEN.exists(), reason="the golden arrays are not part of the project")
def test_audioset_s_own_file_is_read() -> None:
    pca = load_vggish_pca(GOLDEN)
    expected = by_hand(embeddings(2), pca)
    np.testing.assert_allclose(postprocess(embeddings(2), pca, quantise=False), expected, rtol=1e-6, atol=1e-5)


def test_a_missing_file_is_named_with_its_source(tmp_path: Path) -> None:
    path = tmp_path / "vggish_pca_params.npz"
    source = "https://storage.googleapis.com/audioset/vggish_pca_params.npz"
    with pytest.raises(
        DataError, match=rf"{path}: missing, and vggish.postprocess needs it; expected a copy of {source}"
    ):
        load_vggish_pca(path)


@pytest.mark.parametrize(
    ("eigen_vectors", "means", "message"),
    [
        (np.eye(64), np.zeros(128), r"pca_eigen_vectors has shape \(64, 64\); expected \(128, 128\)"),
        (np.eye(128), np.zeros(64), r"pca_means has shape \(64,\); expected \(128,\) or \(128, 1\)"),
        (np.eye(128), np.full(128, np.nan), r"pca_means \(float64\) has values that are no finite float"),
        (np.full((128, 128), "a"), np.zeros(128), r"pca_eigen_vectors \(<U1\) has values that are no finite float"),
    ],
)
def test_arrays_of_another_kind_are_refused(
    tmp_path: Path, eigen_vectors: NDArray[np.generic], means: NDArray[np.generic], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_vggish_pca(write_npz(tmp_path / "pca.npz", eigen_vectors, means))


def test_a_file_without_the_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", weights=np.eye(128))
    with pytest.raises(
        DataError, match=r"pca_eigen_vectors is not a file in the archive.*; expected the arrays of http"
    ):
        load_vggish_pca(tmp_path / "other.npz")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "pca.npz", np.array([{"code": 1}]), np.zeros(128))
    with pytest.raises(DataError, match=r"allow_pickle=False; expected the arrays of"):
        load_vggish_pca(path)


@pytest.mark.parametrize("n_bytes", [0, 10, 1000, 40_000])
def test_a_broken_download_is_refused(tmp_path: Path, n_bytes: int) -> None:
    path = write_npz(tmp_path / "pca.npz", a_pca().eigen_vectors, a_pca().means)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(DataError, match="expected the arrays of"):
        load_vggish_pca(path)


@pytest.mark.parametrize("place", [60, 200])  # no deflate stream; a wrong checksum
def test_damaged_bytes_are_refused(tmp_path: Path, place: int) -> None:
    path = write_npz(tmp_path / "pca.npz", np.eye(128), np.zeros(128))
    data = path.read_bytes()
    path.write_bytes(data[:place] + b"\xff" * 20 + data[place + 20 :])
    with pytest.raises(DataError, match="expected the arrays of"):
        load_vggish_pca(path)


def test_a_single_array_in_place_of_the_archive_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "pca.npy", np.eye(128))
    with pytest.raises(DataError, match="expected the arrays of"):
        load_vggish_pca(tmp_path / "pca.npy")
