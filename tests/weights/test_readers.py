"""Published files of weights become those of our networks, or are refused."""

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import Inception3, inception_v3
from torchvision.transforms.functional import normalize

from pipeline.errors import DataError, ParamsError
from pipeline.networks.inception import network as inception
from pipeline.networks.inception.about import InceptionParams
from pipeline.settings.params import load_params
from pipeline.weights import readers
from pipeline.weights.store import import_file, load_or_make
from tests.helpers.project import ROOT
from tests.helpers.random_networks import random_state
from tests.helpers.tiny_vggish import State, no_random_state, tiny_state

PARAMS_FILE = ROOT / "params.yaml"


@pytest.fixture(autouse=True)
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.delenv("AVR_OFFLINE", raising=False)
    return tmp_path / "weights"


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> State:
    return tiny_state(monkeypatch)


@pytest.fixture
def file(state: State, tmp_path: Path) -> Path:
    """A tiny VGGish as a user's torch file."""
    torch.save(state, tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def assert_nothing_is_left(folder: Path) -> None:
    assert not folder.exists() or list(folder.iterdir()) == []


def without_a_layer(state: State) -> State:
    return {name: value for name, value in state.items() if name != "features.3.bias"}


def with_one_too_many(state: State) -> State:
    return state | {"classifier.bias": torch.zeros(3)}


def transposed(state: State) -> State:
    return state | {"embeddings.0.weight": state["embeddings.0.weight"].T}


def with_a_nan(state: State) -> State:
    return state | {"features.0.bias": torch.tensor([torch.nan, 0])}


def of_integers(state: State) -> State:
    return state | {"features.0.bias": torch.tensor([1, 2])}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (without_a_layer, r"features\.3\.bias is missing; expected \(2,\)"),
        (with_one_too_many, r"classifier\.bias is \(3,\); expected no such tensor"),
        (transposed, r"embeddings\.0\.weight is \(5, 4\); expected \(4, 5\)"),
        (with_a_nan, r"features\.0\.bias \(torch\.float32\) holds more than numbers; expected finite floats"),
        (of_integers, r"features\.0\.bias \(torch\.int64\) holds more than numbers"),
    ],
)
def test_other_weights_than_the_networks_are_refused_and_nothing_is_kept(
    state: State, file: Path, weights_dir: Path, broken: Callable[[State], State], message: str
) -> None:
    torch.save({name: value.contiguous() for name, value in broken(state).items()}, file)
    with pytest.raises(DataError, match=rf"mine\.pth: .*{message}"):
        import_file("vggish", file)
    assert_nothing_is_left(weights_dir)


def test_the_postprocessing_that_torchvggishs_whole_network_carries_is_left_out(state: State, file: Path) -> None:
    torch.save(state | {"pproc.pca_means": torch.zeros(128, 1)}, file)
    assert readers.read_weights("vggish", file).keys() == state.keys()


def test_the_names_in_a_file_tell_which_network_it_is_for(state: State, file: Path, tmp_path: Path) -> None:
    assert readers.read_any_weights(file)[0] == "vggish"
    torch.save(random_state("inception"), tmp_path / "pictures.pth")
    assert readers.read_any_weights(tmp_path / "pictures.pth")[0] == "inception"


def test_weights_of_no_known_network_are_refused_and_those_there_are_named(tmp_path: Path) -> None:
    save_file({"encoder.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"other\.safetensors: weights of no known network; .* inception.*vggish"):
        readers.read_any_weights(tmp_path / "other.safetensors")


class Code:
    """A pickle of it makes a folder when it is read without care."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("is_zip", [True, False])
def test_the_code_in_a_pickle_does_not_run(tmp_path: Path, weights_dir: Path, is_zip: bool) -> None:
    trap, made = tmp_path / "trap.pth", tmp_path / "made"
    torch.save({"w": Code(made)}, trap, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(
        DataError, match=r"trap\.pth: .*expected a whole file that holds tensors only, no code"
    ) as raised:
        import_file("vggish", trap)
    assert "a pickle that would run code" in str(raised.value)
    assert "can still be loaded" not in str(raised.value)
    assert not made.exists()
    assert_nothing_is_left(weights_dir)
    trap.write_bytes(pickle.dumps(Code(made)))
    pickle.load(io.BytesIO(trap.read_bytes()))
    assert made.exists()  # the trap is a real one


def test_a_truncated_safetensors_file_is_refused_and_nothing_is_kept(
    state: State, tmp_path: Path, weights_dir: Path
) -> None:
    path = tmp_path / "cut.safetensors"
    save_file(state, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"cut\.safetensors: .*expected a whole safetensors file"):
        import_file("vggish", path)
    assert_nothing_is_left(weights_dir)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_torch_file_is_refused_wherever_it_is_cut(
    state: State, tmp_path: Path, weights_dir: Path, is_zip: bool
) -> None:
    path = tmp_path / "cut.pth"
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 60):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.pth: .*expected a whole file"):
            import_file("vggish", path)
    assert_nothing_is_left(weights_dir)


def test_text_under_the_name_of_a_torch_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("junk\n")
    with pytest.raises(DataError, match=r"page\.pth: damaged; expected a whole file that holds tensors only, no code"):
        import_file("vggish", tmp_path / "page.pth")


@pytest.mark.parametrize("content", [[torch.zeros(3)], {"epoch": 3}, {3: torch.zeros(3)}])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth: not a map from names to tensors; expected a state dict"):
        import_file("vggish", tmp_path / "other.pth")


def test_an_unknown_kind_of_file_and_a_missing_one_are_named(tmp_path: Path) -> None:
    (tmp_path / "weights.onnx").write_bytes(b"ONNX")
    with pytest.raises(DataError, match=r"weights\.onnx: no known kind of file; expected \.safetensors"):
        import_file("vggish", tmp_path / "weights.onnx")
    with pytest.raises(DataError, match=r"none\.pth: nothing to read; expected a file of weights"):
        import_file("vggish", tmp_path / "none.pth")


def test_tensorflow_is_asked_for_where_it_is_missing() -> None:
    with pytest.raises(ParamsError, match=r"a\.ckpt: needs no_such_package .*pip install -e '\.\[tfhub\]'"):
        readers.import_extra("no_such_package", "a.ckpt")


@pytest.fixture(scope="module")
def published_inception() -> Inception3:
    """torchvision's network with its classifiers, and weights under which pictures differ."""
    network: Inception3 = inception_v3(weights=None, aux_logits=True, init_weights=False)
    network.load_state_dict(random_state("inception"), strict=False)
    network.eval()
    return network


@pytest.mark.parametrize("transform_input", [True, False], ids=["ImageNet normalisation", "2x - 1"])
def test_inception_from_torchvisions_file_gives_torchvisions_features(
    published_inception: Inception3, tmp_path: Path, transform_input: bool
) -> None:
    torch.save(published_inception.state_dict(), tmp_path / "inception.pth")
    state, _ = load_or_make("inception", str(tmp_path / "inception.pth"), 0, no_random_state)
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 299, 299, 3), np.uint8))
    pictures = frames.permute(0, 3, 1, 2) / 255
    mean, deviation = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) if transform_input else ([0.5] * 3, [0.5] * 3)
    features = []
    published_inception.transform_input = transform_input
    published_inception.avgpool.register_forward_hook(lambda module, args, output: features.append(output.flatten(1)))
    with torch.inference_mode():
        published_inception(normalize(pictures, mean, deviation))
        found = inception.build(state, load_params("inception", InceptionParams, PARAMS_FILE))(frames)
    assert (found - features[0]).abs().max() < 1e-4 * features[0].abs().max()
