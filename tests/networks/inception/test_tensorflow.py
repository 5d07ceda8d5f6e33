"""Inception-v3 with TensorFlow's pools against the graph that Keras builds of it. Nothing is downloaded."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.networks.inception.about import InceptionParams
from pipeline.networks.inception.network import build
from pipeline.weights import state_sha256
from pipeline.weights.readers import read_any_weights
from tests.helpers.inception_in_keras import features_of, keras_inception
from tests.helpers.random_networks import random_state


@pytest.mark.parametrize("input_range", ["-1..1", "0..1"])
def test_with_tensorflows_pools_the_features_are_those_of_tensorflows_graph(input_range: str) -> None:
    state, frames = random_state("inception"), np.random.default_rng(0).integers(0, 256, (2, 299, 299, 3), np.uint8)
    pictures = frames / np.float32(255) if input_range == "0..1" else frames / np.float32(127.5) - 1
    expected = features_of(keras_inception(state), pictures)

    def error(average_pool: str) -> float:
        section = {"weights": "random", "allow_random": False, "seed": 0, "input_range": input_range}
        params = InceptionParams.model_validate(section | {"average_pool": average_pool})
        features = build(dict(state), params)(torch.from_numpy(frames)).numpy()
        return float(np.abs(features - expected).max() / np.abs(expected).max())

    assert error("tensorflow") < 1e-5
    assert error("torchvision") > 0.1


def test_a_model_that_keras_saved_has_the_weights_under_torchvisions_names(tmp_path: Path) -> None:
    state = random_state("inception")
    keras_inception(state).save(tmp_path / "mine.h5")
    network, found = read_any_weights(tmp_path / "mine.h5")
    (tmp_path / "mine.h5").unlink()
    assert network == "inception"
    assert state_sha256(found) == state_sha256({name: state[name] for name in found})
    assert state.keys() - found.keys() == {name for name in state if name.endswith("num_batches_tracked")}
