"""Weights of Inception-v3 as Keras' users have them become ours, or are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import DataError
from pipeline.weights import state_sha256
from pipeline.weights.readers import is_from_keras, read_any_weights, read_weights
from tests.helpers.tiny_inception import Arrays, keras_arrays, save_hdf5, save_tfjs, tiny_state
from tests.helpers.tiny_vggish import State


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> State:
    return tiny_state(monkeypatch)


def as_keras_2_saves_weights(path: Path, state: State) -> Path:
    """Each tensor in two groups of its layer's name, with the count of TensorFlow's outputs behind its own."""
    named = {f"{name.partition('/')[0]}/{name}:0": array for name, array in keras_arrays(state, first=1).items()}
    save_hdf5(path / "weights.h5", named)
    return path / "weights.h5"


def as_keras_3_saves_a_model(path: Path, state: State) -> Path:
    """Under a group of its own, beside what training needs, layers of any number, and a classifier."""
    arrays = keras_arrays(state, first=94)
    arrays |= {f"optimizer_weights/adam/{name}": array for name, array in arrays.items()}
    arrays |= {f"model_weights/{name}": array for name, array in keras_arrays(state, first=94).items()}
    arrays = {name: array for name, array in arrays.items() if "_weights/" in name}
    arrays |= {"model_weights/dense/dense/kernel": np.zeros((2, 5)), "model_weights/note": np.array([b"text"])}
    save_hdf5(path / "model.h5", arrays)
    return path / "model.h5"


def as_npz_by_kerass_names(path: Path, state: State) -> Path:
    np.savez(path / "keras.npz", **keras_arrays(state))
    return path / "keras.npz"


def as_npz_by_torchvisions_names(path: Path, state: State) -> Path:
    np.savez(path / "torch.npz", **{name: value.numpy() for name, value in state.items()}, **{"fc.bias": np.zeros(5)})
    return path / "torch.npz"


def as_tensorflow_js_has_it(path: Path, state: State) -> Path:
    save_tfjs(path / "model", keras_arrays(state, first=1))
    return path / "model"


FORMS = [
    as_keras_2_saves_weights,
    as_keras_3_saves_a_model,
    as_npz_by_kerass_names,
    as_npz_by_torchvisions_names,
    as_tensorflow_js_has_it,
]


@pytest.mark.parametrize("saved", FORMS)
def test_every_form_gives_the_same_weights_and_tells_the_network(
    state: State, tmp_path: Path, saved: Callable[[Path, State], Path]
) -> None:
    path = saved(tmp_path, state)
    network, found = read_any_weights(path)
    assert network == "inception"
    assert state_sha256(found) == state_sha256(state)
    assert is_from_keras(path) == (saved is not as_npz_by_torchvisions_names)


def test_the_scales_of_a_normalisation_that_has_them_are_taken(state: State, tmp_path: Path) -> None:
    gammas = {"batch_normalization/gamma": np.float32([1, 2, 3, 4]), "batch_normalization_1/gamma": np.float32([5, 6])}
    np.savez(tmp_path / "keras.npz", **keras_arrays(state), **gammas)
    found = read_weights("inception", tmp_path / "keras.npz")
    assert found["first.bn.weight"].tolist() == [1, 2, 3, 4]
    assert found["second.bn.weight"].tolist() == [5, 6]


@pytest.mark.parametrize(("n_bits", "tolerance"), [(8, 1 / 510), (16, 2**-11)])
def test_numbers_of_8_and_16_bits_become_what_they_stand_for(
    state: State, tmp_path: Path, n_bits: int, tolerance: float
) -> None:
    save_tfjs(tmp_path / "model", keras_arrays(state), n_bits=n_bits)
    found = read_weights("inception", tmp_path / "model")
    for name, value in state.items():
        spread = (value.max() - value.min()) if n_bits == 8 else value.abs().max()
        assert (found[name] - value).abs().max() <= 1.001 * tolerance * spread


def test_a_network_that_keras_does_not_have_is_told_so(state: State, tmp_path: Path) -> None:
    np.savez(tmp_path / "keras.npz", **keras_arrays(state))
    with pytest.raises(DataError, match=r"keras\.npz: not the weights of vggish: embeddings\.0\.bias is missing"):
        read_weights("vggish", tmp_path / "keras.npz")


def without_a_layer(arrays: Arrays) -> Arrays:
    return {name: array for name, array in arrays.items() if not name.startswith("conv2d_1/")}


def with_one_too_many(arrays: Arrays) -> Arrays:
    return arrays | {"batch_normalization_7/beta": np.zeros(2)}


def without_a_mean(arrays: Arrays) -> Arrays:
    return {name: array for name, array in arrays.items() if name != "batch_normalization_1/moving_mean"}


def in_torchs_order(arrays: Arrays) -> Arrays:
    return arrays | {"conv2d/kernel": arrays["conv2d/kernel"].transpose(3, 2, 0, 1)}


def twice(arrays: Arrays) -> Arrays:
    return arrays | {"other/conv2d/kernel": arrays["conv2d/kernel"]}


def of_text(arrays: Arrays) -> Arrays:
    return arrays | {"batch_normalization/beta": np.array([b"a", b"b", b"c", b"d"])}


def of_nan(arrays: Arrays) -> Arrays:
    return arrays | {"batch_normalization/beta": np.float32([0, 0, np.nan, 0])}


@pytest.mark.parametrize("suffix", ["npz", "h5"])
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (without_a_layer, r"not the weights of inception: 1 layers conv2d; expected 2"),
        (with_one_too_many, r"not the weights of inception: 3 layers batch_normalization; expected 2"),
        (
            without_a_mean,
            r"batch_normalization_1/moving_mean is missing; expected \(2,\), torch's second\.bn\.running_m",
        ),
        (in_torchs_order, r"conv2d/kernel is \(4, 3, 1, 3\); expected \(1, 3, 3, 4\), torch's first\.conv\.weight"),
        (twice, r"both conv2d/kernel and other/conv2d/kernel; expected one tensor of a name"),
        (of_text, r"batch_normalization/beta: of type \|S1; expected finite floats"),
        (of_nan, r"first\.bn\.bias \(torch\.float32\) holds more than numbers; expected finite floats"),
    ],
)
def test_other_weights_are_refused_by_kerass_names(
    state: State, tmp_path: Path, suffix: str, broken: Callable[[Arrays], Arrays], message: str
) -> None:
    path, arrays = tmp_path / f"other.{suffix}", broken(keras_arrays(state))
    if suffix == "npz":
        np.savez(path, **arrays)
    else:
        save_hdf5(path, arrays)
    with pytest.raises(DataError, match=rf"other\.{suffix}: .*{message}"):
        read_weights("inception", path)


def test_hdf5_without_the_names_of_layers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "counted.weights.h5"
    expected = r"expected layers by their names, as Keras' model\.save\('NAME\.h5'\) writes"
    save_hdf5(path, {"layers/conv2d_1/vars/0": np.zeros((3, 3, 4, 2))})
    with pytest.raises(DataError, match=rf"counted\.weights\.h5: layers/conv2d_1/vars/0; {expected}"):
        read_weights("inception", path)
    save_hdf5(path, {"audio": np.zeros(3)})
    with pytest.raises(DataError, match=rf"counted\.weights\.h5: no tensor; {expected}"):
        read_weights("inception", path)


def test_a_file_that_is_no_npz_or_hdf5_is_refused_wherever_it_is_cut(state: State, tmp_path: Path) -> None:
    for saved, name in ((as_npz_by_kerass_names, "npz"), (as_keras_2_saves_weights, "HDF5 file")):
        path = saved(tmp_path, state)
        whole = path.read_bytes()
        for length in range(0, len(whole) - 1, len(whole) // 20):
            path.write_bytes(whole[:length])
            with pytest.raises(DataError, match=rf"{path.name}: .*expected"):
                read_weights("inception", path)
        path.write_text("junk\n")
        with pytest.raises(DataError, match=rf"{path.name}: .*expected an {name}"):
            read_weights("inception", path)


def test_an_npz_with_objects_or_other_files_is_refused(state: State, tmp_path: Path) -> None:
    import zipfile

    np.savez(tmp_path / "objects.npz", weight=np.array([{}, None]))
    with pytest.raises(DataError, match=r"objects\.npz: .*expected an npz of arrays of numbers"):
        read_weights("inception", tmp_path / "objects.npz")
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("notes.txt", "text")
    with pytest.raises(DataError, match=r"text\.npz: notes\.txt holds bytes that are no array; expected numbers"):
        read_weights("inception", tmp_path / "text.npz")
    weights = {name: value.numpy() for name, value in state.items()}
    np.savez(tmp_path / "words.npz", **weights | {"first.bn.bias": np.array(["a", "b", "c", "d"])})
    with pytest.raises(DataError, match=r"words\.npz: first\.bn\.bias: of type <U1; expected finite floats"):
        read_weights("inception", tmp_path / "words.npz")


def test_big_endian_numbers_are_read_as_what_they_are(state: State, tmp_path: Path) -> None:
    save_hdf5(tmp_path / "big.h5", {name: array.astype(">f8") for name, array in keras_arrays(state).items()})
    found = read_weights("inception", tmp_path / "big.h5")
    assert all(torch.equal(found[name], value) for name, value in state.items())
