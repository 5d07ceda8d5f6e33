import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pipeline.errors import ParamsError
from pipeline.network_parts.inference import HALF, embed_clips
from pipeline.networks.vggish.about import VggishParams
from pipeline.networks.vggish.network import Vggish, build
from pipeline.settings.params import load_params
from tests.helpers.random_networks import random_state

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_state("vggish")


def section(**changes: object) -> dict[str, object]:
    return {"weights": "random", "allow_random": False, "seed": 0, "final_relu": True, "postprocess": "none", **changes}


def built(state: dict[str, Tensor], final_relu: bool = False) -> Vggish:
    return build(state, VggishParams.model_validate(section(final_relu=final_relu)))


def sounds(n_per_class: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Log-mel examples of noise in four bands that swells at two rates, at random levels; and their classes."""
    rng = np.random.default_rng(0)
    band, seconds = np.arange(64), np.arange(96)[:, None] * 0.01
    examples, labels = [], []
    for label, (centre, rate_hz) in enumerate((c, r) for c in (10, 25, 40, 55) for r in (3, 9)):
        for _ in range(n_per_class):
            spectrum = np.exp(-0.5 * ((band - centre - rng.normal(0, 3)) / 6) ** 2)
            swell = 0.5 + 0.5 * np.sin(2 * np.pi * (rate_hz * seconds + rng.random()))
            noise = rng.gamma(2, 0.5, (2, 96, 64))
            magnitude = rng.lognormal() * swell * spectrum * noise[0] + 0.05 * noise[1]
            examples.append(np.log(magnitude + 0.01))
            labels.append(label)
    return np.array(examples, np.float32), np.array(labels)


def probe(features: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """How often a linear classifier names the class of a row that it has not seen."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    return float(cross_val_score(classifier, features, labels, cv=4).mean())


def naive_vggish(examples: NDArray[np.float32], state: dict[str, Tensor]) -> NDArray[np.float64]:
    """VGGish in NumPy on (n, time, band, channel) arrays, as TensorFlow lays them out."""
    weights = {name: value.double().numpy() for name, value in state.items()}
    x = examples[..., None].astype(np.float64)
    for index, pooled in zip((0, 3, 6, 8, 11, 13), (True, True, False, True, False, True), strict=True):
        windows = sliding_window_view(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), axis=(1, 2))
        kernel = weights[f"features.{index}.weight"]
        x = np.tensordot(windows, kernel, axes=([3, 4, 5], [1, 2, 3])) + weights[f"features.{index}.bias"]
        x = x.clip(0)
        if pooled:
            x = x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).max(axis=(2, 4))
    x = x.reshape(len(x), -1)
    for index in (0, 2, 4):
        x = x @ weights[f"embeddings.{index}.weight"].T + weights[f"embeddings.{index}.bias"]
        x = x if index == 4 else x.clip(0)
    return x


def test_the_network_computes_what_a_naive_one_does_on_channels_last_arrays(state: dict[str, Tensor]) -> None:
    examples = sounds(1)[0][:1]
    features = built(state)(torch.from_numpy(examples))
    np.testing.assert_allclose(features, naive_vggish(examples, state), atol=1e-4)


def test_the_layers_have_the_names_and_shapes_of_torchvggish(state: dict[str, Tensor]) -> None:
    n_in = 1
    shapes: dict[str, tuple[int, ...]] = {}
    for index, n_out in zip((0, 3, 6, 8, 11, 13), (64, 128, 256, 256, 512, 512), strict=True):
        shapes |= {f"features.{index}.weight": (n_out, n_in, 3, 3), f"features.{index}.bias": (n_out,)}
        n_in = n_out
    for index, n_in, n_out in ((0, 12288, 4096), (2, 4096, 4096), (4, 4096, 128)):
        shapes |= {f"embeddings.{index}.weight": (n_out, n_in), f"embeddings.{index}.bias": (n_out,)}
    assert {name: tuple(value.shape) for name, value in state.items()} == shapes


def test_the_last_relu_is_a_choice(state: dict[str, Tensor]) -> None:
    examples = torch.from_numpy(sounds(1)[0])
    without, with_relu = (built(state, final_relu)(examples) for final_relu in (False, True))
    assert without.min() < 0
    torch.testing.assert_close(with_relu, without.clamp(min=0))


def test_random_features_tell_sounds_apart_better_than_the_mean_spectrum(state: dict[str, Tensor]) -> None:
    examples, labels = sounds(16)
    ((_, features),) = embed_clips([("all", examples)], built(state, final_relu=True), 32, CPU)
    assert probe(features, labels) > max(0.75, probe(examples.mean(axis=1), labels))  # chance is 0.125


def test_random_features_of_different_sounds_point_in_different_directions(state: dict[str, Tensor]) -> None:
    ((_, features),) = embed_clips([("all", sounds(2)[0])], built(state), 16, CPU)
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert np.median(directions @ directions.T) < 0.8


def test_the_bytes_of_a_row_depend_on_that_row_alone(state: dict[str, Tensor]) -> None:
    rows = np.random.default_rng(0).normal(-2, 1.5, (11, 96, 64)).astype(np.float32)
    order = np.random.default_rng(1).permutation(11)
    network = built(state)
    ((_, together),) = embed_clips([("all", rows)], network, 8, CPU)
    shuffled = dict(embed_clips([(str(i), rows[i : i + 1]) for i in order], network, 8, CPU))
    alone = [next(embed_clips([("one", row[None])], network, 8, CPU))[1] for row in rows[9:]]
    np.testing.assert_array_equal(np.concatenate([shuffled[str(i)] for i in range(11)]), together)
    np.testing.assert_array_equal(np.concatenate(alone), together[9:])


def test_random_linear_layers_lose_nothing_to_their_relus(state: dict[str, Tensor]) -> None:
    one, other = torch.randn(2, 3, 12288, generator=torch.Generator().manual_seed(0)).abs()
    layers = built(state).embeddings
    torch.testing.assert_close(layers((one + other) / 2), (layers(one) + layers(other)) / 2, atol=1e-4, rtol=0)


def test_random_linear_layers_hear_the_same_early_and_late(state: dict[str, Tensor]) -> None:
    maps = torch.randn(3, 6, 4, 512, generator=torch.Generator().manual_seed(0)).abs()  # time, band, channel
    layers = built(state).embeddings
    late = maps.flip(1).flatten(1)
    torch.testing.assert_close(layers(late), layers(maps.flatten(1)), atol=1e-4, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize(("precision", "stays"), [(HALF, True), (torch.bfloat16, False)])
def test_half_precision_leaves_the_features_where_they_were(
    state: dict[str, Tensor], precision: torch.dtype, stays: bool
) -> None:
    network, examples = built(state), torch.from_numpy(sounds(4)[0][:4])
    with torch.autocast("cpu", dtype=precision):
        features = network(examples).float()
    assert bool((cosine_similarity(features, network(examples)) > 0.999).all()) is stays


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="no CUDA device"
)
def test_a_gpu_gives_the_features_of_the_cpu(state: dict[str, Tensor]) -> None:
    clips = [("all", sounds(4)[0])]
    ((_, expected),) = embed_clips(clips, built(state), 8, CPU)
    ((_, features),) = embed_clips(clips, built(state), 8, torch.device("cuda"))
    norms = np.linalg.norm(features, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((features * expected).sum(axis=1) / norms > 0.999).all()


@pytest.mark.parametrize("mode", ["none", "pca", "pca_uint8"])
def test_the_section_of_the_params_has_five_keys(mode: str) -> None:
    assert VggishParams.model_validate(section(postprocess=mode)).model_dump() == section(postprocess=mode)


def test_an_unknown_postprocess_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"vggish: {section(postprocess='uint8')}")
    with pytest.raises(ParamsError, match=r"vggish.postprocess: Input should be 'none', 'pca' or 'pca_uint8' \(got"):
        load_params("vggish", VggishParams, tmp_path / "params.yaml")
