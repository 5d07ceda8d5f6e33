"""Weights by their ways into the networks, against VGGish's original graph run by TensorFlow. Nothing is downloaded."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.errors import DataError, ParamsError
from pipeline.logmel import LogMelParams, log_mel_examples
from pipeline.networks.vggish.about import VggishParams
from pipeline.networks.vggish.network import build
from pipeline.networks.vggish.random_weights import random_state
from pipeline.settings.params import load_params
from pipeline.weights import state_sha256
from pipeline.weights.sources import SOURCES
from pipeline.weights.store import fetch, kept_files, load_or_make
from tests.helpers.tiny_vggish import no_random_state, tiny_state, variables

PARAMS_FILE = Path(__file__).parents[2] / "params.yaml"
FEATURES = {0: "conv1", 3: "conv2", 6: "conv3/conv3_1", 8: "conv3/conv3_2", 11: "conv4/conv4_1", 13: "conv4/conv4_2"}
EMBEDDINGS = {0: "fc1/fc1_1", 2: "fc1/fc1_2", 4: "fc2"}


@dataclass(frozen=True)
class Original:
    """VGGish in TensorFlow: its weights, the module's folder, log-mel examples (n, 96, 64) and their embeddings."""

    values: dict[str, NDArray[np.float32]]
    module: Path
    examples: NDArray[np.float32]
    embeddings: NDArray[np.float32]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    from tests.helpers import vggish_in_tensorflow as tensorflow

    values, module = tensorflow.random_values(seed=0), tmp_path_factory.mktemp("original") / "module"
    tensorflow.save_module(module, values)
    examples = sounds()
    return Original(values, module, examples, tensorflow.embed(module, examples))


@pytest.fixture(autouse=True)
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of weights for one test, offline; it is large, so it is emptied at once."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(folder))
    monkeypatch.setenv("AVR_OFFLINE", "1")
    yield folder
    for path in filter(Path.is_file, folder.iterdir()):
        path.unlink()


def sounds() -> NDArray[np.float32]:
    """Log-mel examples of a tone, a glide and noise, a second each."""
    seconds = np.arange(16000) / 16000
    noise = np.random.default_rng(0).normal(0, 0.1, 16000)
    waveforms = [0.8 * np.sin(2 * np.pi * 440 * seconds), np.sin(2000 * np.pi * seconds**2), noise]
    params = load_params("logmel", LogMelParams, PARAMS_FILE)
    return np.concatenate([log_mel_examples(waveform, params) for waveform in waveforms])


def embed(weights: str, examples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the stage does: weights as params.yaml names them, through the kept file, into our network."""
    params = load_params("vggish", VggishParams, PARAMS_FILE).model_copy(update={"weights": weights})
    state, _ = load_or_make("vggish", params.weights, params.seed, random_state)
    embeddings: NDArray[np.float32] = build(state, params)(torch.from_numpy(examples)).numpy()
    return embeddings


def difference(embeddings: NDArray[np.float32], original: Original) -> float:
    """Largest error as a share of the output's scale."""
    assert embeddings.shape == original.embeddings.shape == (3, 128)
    return float(np.abs(embeddings - original.embeddings).max() / np.abs(original.embeddings).max())


def test_a_saved_model_gives_the_embeddings_of_the_original_graph(original: Original) -> None:
    assert difference(embed(str(original.module), original.examples), original) < 1e-4


def test_the_name_tfhub_finds_the_module_where_the_hubs_own_library_keeps_it(
    original: Original, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    (tmp_path / hashlib.sha1(b"https://tfhub.dev/google/vggish/1").hexdigest()).symlink_to(original.module)
    assert difference(embed("tfhub", original.examples), original) < 1e-4


def test_the_checkpoint_of_tensorflow_1_gives_the_embeddings_of_the_original_graph(
    original: Original, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.helpers.vggish_in_tensorflow import save_checkpoint

    monkeypatch.setitem(SOURCES, "tf_checkpoint", replace(SOURCES["tf_checkpoint"], sha256=""))
    save_checkpoint(weights_dir / "vggish_model.ckpt", original.values)
    assert difference(embed("tf_checkpoint", original.examples), original) < 1e-4


def test_torchvggishs_file_gives_them_too_once_its_hash_is_right(
    original: Original, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights_dir / "vggish-10086976.pth"
    torch.save(torchvggish_state(original.values), path)
    with pytest.raises(DataError, match=r"vggish-10086976\.pth: its SHA-256 begins with \w{8}; expected 10086976"):
        fetch("torchvggish")
    assert kept_files() == []
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(SOURCES, "torchvggish", replace(SOURCES["torchvggish"], sha256=digest))
    assert difference(embed("torchvggish", original.examples), original) < 1e-4


def torchvggish_state(values: dict[str, NDArray[np.float32]]) -> dict[str, torch.Tensor]:
    """The same weights as torchvggish's users have them: out before in, kernels last."""
    state = {}
    for block, layers in (("features", FEATURES), ("embeddings", EMBEDDINGS)):
        for index, layer in layers.items():
            weights = torch.from_numpy(values[f"vggish/{layer}/weights"])
            ordered = weights.T if weights.dim() == 2 else torch.einsum("yxio->oiyx", weights)
            state[f"{block}.{index}.weight"] = ordered.contiguous()
            state[f"{block}.{index}.bias"] = torch.from_numpy(values[f"vggish/{layer}/biases"])
    return state


@pytest.mark.parametrize("named", [True, False], ids=["by name, whatever the order", "by order, without names"])
def test_the_variables_of_a_module_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    import tensorflow as tf  # type: ignore[import-untyped,unused-ignore]  # has no stubs

    state = tiny_state(monkeypatch)
    made = [tf.Variable(value, name=name if named else "Variable") for name, value in variables(state)]
    checkpoint = tf.train.Checkpoint(_variables=made[::-1] if named else made)
    checkpoint.write(str(tmp_path / "module" / "variables" / "variables"))
    loaded, _ = load_or_make("vggish", str(tmp_path / "module"), 0, no_random_state)
    assert state_sha256(loaded) == state_sha256(state)


def test_a_checkpoint_in_parts_is_named_by_what_the_parts_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    state = tiny_state(monkeypatch)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = [tf.compat.v1.Variable(value, name=name) for name, value in variables(state)]
        session.run([variable.initializer for variable in made])
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "mine.ckpt"))
    loaded, _ = load_or_make("vggish", str(tmp_path / "mine.ckpt"), 0, no_random_state)
    assert state_sha256(loaded) == state_sha256(state)


def test_a_truncated_checkpoint_and_noise_are_refused_and_nothing_is_kept(
    weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    made = [tf.Variable(value, name=name) for name, value in variables(tiny_state(monkeypatch))]
    folder = tmp_path / "module" / "variables"
    tf.train.Checkpoint(_variables=made).write(str(folder / "variables"))
    data = folder / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-500])
    (tmp_path / "noise.ckpt").write_bytes(np.random.default_rng(0).bytes(5000))
    for weights in ("module", "noise.ckpt"):
        with pytest.raises(DataError, match=r"(variables|noise\.ckpt): .*expected a whole checkpoint of vggish"):
            load_or_make("vggish", str(tmp_path / weights), 0, no_random_state)
    assert list(weights_dir.iterdir()) == []


@pytest.mark.network
@pytest.mark.parametrize("name", ["torchvggish", "tf_checkpoint", "tfhub"])
def test_the_published_weights_pass_audiosets_smoke_test(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVR_OFFLINE")
    try:
        state, _ = load_or_make("vggish", name, 0, no_random_state)
    except ParamsError as error:
        if "cannot be fetched" not in str(error):
            raise
        pytest.skip(str(error))
    params = load_params("logmel", LogMelParams, PARAMS_FILE)
    network = build(state, load_params("vggish", VggishParams, PARAMS_FILE))
    waveform = np.sin(2 * np.pi * 1000 * np.arange(3 * 16000) / 16000)
    examples = torch.from_numpy(log_mel_examples(waveform, params))
    embeddings = network(examples)
    assert [embeddings.mean().item(), embeddings.std().item()] == pytest.approx([0.000657, 0.343], rel=0.1)
