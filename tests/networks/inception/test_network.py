import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity
from torchvision.models import inception_v3
from torchvision.transforms.functional import normalize

from pipeline.errors import DataError, ParamsError
from pipeline.network_parts.inference import HALF, embed_clips
from pipeline.networks.inception.about import MIN_PICTURE_SIDE, InceptionParams
from pipeline.networks.inception.network import Inception, _trunk, build
from pipeline.settings.params import load_params
from tests.helpers.random_networks import random_state

CPU = torch.device("cpu")
BATCH_SIZE = 8
PARAMS = InceptionParams(weights="random", allow_random=False, seed=0, input_range="-1..1", average_pool="torchvision")


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_state("inception")


@pytest.fixture(scope="module")
def network(state: dict[str, Tensor]) -> Inception:
    return build(state, PARAMS)


def textures(n_per_class: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Gratings of three directions and two finenesses in random colours, under noise; and their classes."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:299, :299] / 299
    frames, labels = [], []
    for label, (waves, degrees) in enumerate((w, d) for w in (6, 20) for d in (0, 60, 120)):
        for _ in range(n_per_class):
            angle = np.deg2rad(degrees + rng.normal(0, 6))
            phase = waves * rng.lognormal(sigma=0.15) * (x * np.cos(angle) + y * np.sin(angle)) + rng.random()
            grating = np.sin(2 * np.pi * phase)[..., None] * rng.uniform(0.1, 0.4, 3)
            picture = rng.uniform(0.3, 0.7, 3) + grating + rng.normal(0, 0.08, (299, 299, 3))
            frames.append((picture.clip(0, 1) * 255).astype(np.uint8))
            labels.append(label)
    return np.array(frames), np.array(labels)


def test_folded_features_are_those_of_torchvision_after_its_own_normalisation(
    state: dict[str, Tensor], network: Inception
) -> None:
    reference = inception_v3(weights=None, aux_logits=False, transform_input=True, init_weights=False)
    reference.fc = nn.Identity()
    reference.load_state_dict(state)
    frames = torch.from_numpy(textures(1)[0][::3])
    pictures = normalize(frames.permute(0, 3, 1, 2) / 255, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    with torch.inference_mode():
        expected, features = reference.eval()(pictures), network(frames)
    assert features.shape == (2, 2048)
    assert (features - expected).abs().max() < 1e-4 * expected.abs().max()


def test_random_features_tell_textures_apart_where_the_mean_colour_does_not(network: Inception) -> None:
    frames, labels = textures(4)
    ((_, features),) = embed_clips([("all", frames)], network, BATCH_SIZE, CPU)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    accuracy = cross_val_score(classifier, features, labels, cv=3).mean()
    accuracy_of_colour = cross_val_score(classifier, frames.mean(axis=(1, 2)), labels, cv=3).mean()
    assert accuracy > 0.7  # chance is 0.17
    assert accuracy_of_colour < 0.4


def test_the_bytes_of_a_row_depend_on_that_row_alone(network: Inception) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (5, 299, 299, 3), np.uint8)
    order = [3, 0, 4, 2, 1]
    ((_, together),) = embed_clips([("all", rows)], network, 4, CPU)
    shuffled = dict(embed_clips([(str(i), rows[i : i + 1]) for i in order], network, 4, CPU))
    ((_, alone),) = embed_clips([("one", rows[2:3])], network, 4, CPU)
    np.testing.assert_array_equal(np.concatenate([shuffled[str(i)] for i in range(5)]), together)
    np.testing.assert_array_equal(alone, together[2:3])


@torch.inference_mode()
def test_half_precision_leaves_the_features_where_they_were(network: Inception) -> None:
    pictures = torch.from_numpy(textures(2)[0][:2])
    with torch.autocast("cpu", dtype=HALF):
        features = network(pictures).float()
    assert (cosine_similarity(features, network(pictures)) > 0.999).all()


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="no CUDA device"
)
def test_a_gpu_gives_the_features_of_the_cpu(state: dict[str, Tensor]) -> None:
    clips = [("all", textures(2)[0])]
    ((_, expected),) = embed_clips(clips, build(state, PARAMS), BATCH_SIZE, CPU)
    ((_, features),) = embed_clips(clips, build(state, PARAMS), BATCH_SIZE, torch.device("cuda"))
    norms = np.linalg.norm(features, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((features * expected).sum(axis=1) / norms > 0.999).all()


@pytest.mark.parametrize("side", [299, 75])
@torch.inference_mode()
def test_tensorflows_means_leave_the_padding_out_of_all_nine_pools(state: dict[str, Tensor], side: int) -> None:
    network = build(state, PARAMS.model_copy(update={"average_pool": "tensorflow"}))
    seen: dict[str, Tensor] = {}
    for name, block in network.trunk.named_modules():
        if hasattr(block, "branch_pool"):
            block.register_forward_hook(lambda block, inputs, output, name=name: seen.update({name: inputs[0]}))
            block.branch_pool.register_forward_hook(
                lambda block, inputs, output, name=name: seen.update({f"{name} pooled": inputs[0]})
            )
    network(torch.from_numpy(textures(1)[0][:1, :side, :side]))
    assert len(seen) == 2 * 9
    for name in [name for name in seen if not name.endswith("pooled")]:
        maps, pooled = seen[name].numpy(), seen[f"{name} pooled"].numpy()
        for y, x in np.ndindex(maps.shape[2:]):
            mean = maps[0, :, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean(axis=(1, 2))
            np.testing.assert_allclose(pooled[0, :, y, x], mean, rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_weights_trained_on_numbers_from_0_to_1_see_them(state: dict[str, Tensor]) -> None:
    network = build(state, PARAMS.model_copy(update={"input_range": "0..1"}))
    frames = torch.from_numpy(textures(1)[0][:1])
    expected = network.trunk(frames.permute(0, 3, 1, 2) / 255)
    assert (network(frames) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_section_of_the_params_says_where_the_weights_are_from_and_what_they_were_trained_on() -> None:
    of_weights = {"weights": "random", "allow_random": True, "seed": 3}
    choices = {"input_range": "0..1", "average_pool": "tensorflow"}
    params = InceptionParams.model_validate(of_weights | choices)
    assert params.model_dump() == of_weights | choices
    assert params.choices == choices


@pytest.mark.parametrize(("key", "value"), [("input_range", "0..255"), ("average_pool", "keras")])
def test_other_ranges_and_pools_are_refused_and_those_there_are_named(key: str, value: str, tmp_path: Path) -> None:
    section = PARAMS.model_dump() | {key: value}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"inception": section}))
    with pytest.raises(ParamsError, match=rf"inception\.{key}: Input should be '.*' or '.*' \(got '{value}'\)"):
        load_params("inception", InceptionParams, tmp_path / "params.yaml")


def test_the_smallest_picture_is_the_smallest_that_the_network_takes() -> None:
    side = MIN_PICTURE_SIDE
    with torch.device("meta"):
        trunk = _trunk()
        assert trunk(torch.zeros(1, 3, side, side)).shape == (1, 2048)
        with pytest.raises(RuntimeError, match="Output size is too small"):
            trunk(torch.zeros(1, 3, side - 1, side - 1))


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 74, 80, 3), torch.uint8), ((1, 3, 80, 80), torch.uint8), ((1, 80, 80, 3), torch.float32)]
)
def test_pictures_of_another_shape_or_type_are_refused(
    network: Inception, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    with pytest.raises(
        DataError, match=r"Inception-v3: torch\.\w+ of shape .*; expected uint8 \(n, side, side, 3\), side 75"
    ):
        network(torch.zeros(shape, dtype=dtype))
