"""YAMNet against its layers and its spectrogram in TensorFlow, with random weights. Nothing is downloaded."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.errors import DataError, ParamsError
from pipeline.logmel import LogMelParams, log_mel_examples
from pipeline.networks.yamnet.about import YamnetParams, check_inputs
from pipeline.networks.yamnet.network import build, with_yamnets_offset
from pipeline.settings.params import load_params, read_section
from pipeline.weights import state_sha256
from pipeline.weights.readers import read_any_weights, read_weights
from tests.helpers.project import ROOT
from tests.helpers.random_networks import random_state
from tests.helpers.tiny_inception import Arrays, save_hdf5

PARAMS_FILE = ROOT / "params.yaml"
PARAMS = YamnetParams(weights="random", allow_random=False, seed=0)
STRIDES = {3: 2, 5: 2, 7: 2, 13: 2}  # of the layers that halve, behind the first
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def published_arrays() -> Arrays:
    """Random weights under the names of yamnet.h5, where the scales of the normalisations are missing."""
    state = {name: value.numpy() for name, value in random_state("yamnet").items()}
    arrays: Arrays = {}
    layers = [(1, "conv"), *((i, kind) for i in range(2, 15) for kind in ("depthwise_conv", "pointwise_conv"))]
    for place, (i, kind) in enumerate(layers):
        kernel = state[f"units.{place}.conv.weight"]
        layer, is_depthwise = f"layer{i}/{kind}", kind == "depthwise_conv"
        part = "depthwise_kernel" if is_depthwise else "kernel"
        arrays[f"{layer}/{layer}/{part}:0"] = kernel.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))
        for theirs, ours in zip(NORM[1:], ("bias", "running_mean", "running_var"), strict=True):
            arrays[f"{layer}/bn/{layer}/bn/{theirs}:0"] = state[f"units.{place}.norm.{ours}"]
    return arrays


def in_tensorflow(examples: Any, arrays: Arrays) -> NDArray[np.float32]:  # noqa: ANN401 - TensorFlow has no types
    """YAMNet's layers one by one, on log-mel examples (n, 96, 64) of its own offset: (n, 1024)."""
    import tensorflow as tf  # type: ignore[import-untyped,unused-ignore]  # has no stubs; where it is used: five seconds

    def unit(maps: Any, layer: str, stride: int) -> Any:  # noqa: ANN401 - as above
        named = {name.rpartition("/")[2][:-2]: a for name, a in arrays.items() if name.startswith(f"{layer}/layer")}
        norm = {n.rpartition("/")[2][:-2]: a for n, a in arrays.items() if n.startswith(f"{layer}/bn/")}
        if "depthwise_kernel" in named:
            strides = [1, stride, stride, 1]
            maps = tf.nn.depthwise_conv2d(maps, named["depthwise_kernel"], strides, "SAME")
        else:
            maps = tf.nn.conv2d(maps, named["kernel"], stride, "SAME")
        mean, variance = norm["moving_mean"], norm["moving_variance"]
        return tf.nn.relu(tf.nn.batch_normalization(maps, mean, variance, norm["beta"], None, 1e-4))

    maps = unit(tf.reshape(examples, (-1, 96, 64, 1)), "layer1/conv", 2)
    for i in range(2, 15):
        maps = unit(maps, f"layer{i}/depthwise_conv", STRIDES.get(i, 1))
        maps = unit(maps, f"layer{i}/pointwise_conv", 1)
    embeddings: NDArray[np.float32] = tf.reduce_mean(maps, axis=(1, 2)).numpy()
    return embeddings


def spectrogram_of_yamnet(waveform: NDArray[np.float64]) -> Any:  # noqa: ANN401 - TensorFlow has no types
    """Log-mel examples with an offset of 0.001, as TensorFlow's own signal library makes them."""
    import tensorflow as tf

    magnitudes = tf.abs(tf.signal.stft(waveform.astype(np.float32), 400, 160, 512))
    mel = tf.matmul(magnitudes, tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0))
    return tf.signal.frame(tf.math.log(mel + 0.001), 96, 96, axis=0)


def sounds() -> NDArray[np.float64]:
    """Three seconds at 16 kHz: a tone that fades to silence, and noise that grows."""
    seconds = np.arange(3 * 16000) / 16000
    noise = np.random.default_rng(0).normal(0, 1, len(seconds))
    return np.sin(2 * np.pi * 440 * seconds) * np.exp(-6 * seconds) + 1e-4 * noise * np.exp(2 * seconds)


def test_a_sound_s_embeddings_are_those_of_tensorflow_s_spectrogram_and_layers() -> None:
    examples = torch.from_numpy(log_mel_examples(sounds(), load_params("logmel", LogMelParams, PARAMS_FILE)))
    expected = in_tensorflow(spectrogram_of_yamnet(sounds()), published_arrays())
    embeddings = build(random_state("yamnet"), PARAMS)(examples).numpy()
    assert embeddings.shape == expected.shape == (3, 1024)
    assert np.abs(embeddings - expected).max() < 1e-3 * np.abs(expected).max()


def test_equal_examples_give_the_embeddings_of_tensorflow_s_layers() -> None:
    examples = np.random.default_rng(0).normal(-2, 1, (2, 96, 64)).clip(-4.6, None).astype(np.float32)
    expected = in_tensorflow(with_yamnets_offset(torch.from_numpy(examples)).numpy(), published_arrays())
    embeddings = build(random_state("yamnet"), PARAMS)(torch.from_numpy(examples)).numpy()
    assert np.abs(embeddings - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_offset_becomes_yamnet_s_from_silence_to_the_loudest_sound() -> None:
    magnitudes = np.array([0, 1e-6, 1e-3, 0.1, 1, 30])
    found = with_yamnets_offset(torch.from_numpy(np.log(magnitudes + 0.01).astype(np.float32)))
    np.testing.assert_allclose(found, np.log(magnitudes + 0.001), atol=1e-5)


def test_the_published_file_s_names_become_ours(tmp_path: Path) -> None:
    arrays = published_arrays() | {
        "logits/logits/kernel:0": np.zeros((1024, 521)),
        "logits/logits/bias:0": np.zeros(521),
    }
    save_hdf5(tmp_path / "mine.h5", arrays)
    network, found = read_any_weights(tmp_path / "mine.h5")
    assert network == "yamnet"
    state = random_state("yamnet")
    assert state_sha256(found) == state_sha256({name: state[name] for name in found})
    assert state.keys() - found.keys() == {name for name in state if name.endswith("num_batches_tracked")}


def test_a_published_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    name = "layer2/depthwise_conv/layer2/depthwise_conv/depthwise_kernel:0"
    save_hdf5(tmp_path / "mine.h5", published_arrays() | {name: np.zeros((3, 3, 32, 2))})
    problem = (
        r"layer2/depthwise_conv/depthwise_kernel is \(3, 3, 32, 2\); expected \(3, 3, 32, 1\), torch's units\.1\.conv"
    )
    with pytest.raises(DataError, match=rf"mine\.h5: not the weights of yamnet: {problem}"):
        read_weights("yamnet", tmp_path / "mine.h5")


@pytest.mark.parametrize(("key", "value"), [("log_offset", 0.001), ("n_mels", 128), ("fmin_hz", 0.0)])
def test_other_spectrograms_than_vggish_s_are_refused(key: str, value: float) -> None:
    section = read_section("logmel", PARAMS_FILE)
    assert isinstance(section, dict)
    check_inputs(section)
    with pytest.raises(
        ParamsError, match=rf"logmel\.{key}: {re.escape(str(value))}; expected .*: YAMNet was trained on"
    ):
        check_inputs(section | {key: value})
