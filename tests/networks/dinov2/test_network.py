"""DINOv2's transformer with random weights, against timm's own preparation of pictures and attention by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.errors import DataError, ParamsError
from pipeline.networks.dinov2 import network as dinov2
from pipeline.networks.dinov2.about import Dinov2Params, check_inputs
from pipeline.networks.dinov2.network import build
from pipeline.networks.dinov2.published import expected_shapes
from pipeline.settings.params import load_params
from pipeline.weights import state_sha256
from pipeline.weights.readers import read_any_weights
from tests.helpers.random_networks import random_state

N_BLOCKS = 2  # of twelve that are alike
PARAMS = Dinov2Params(weights="random", allow_random=False, seed=0, size=224)


def pictures(n: int, side: int) -> NDArray[np.uint8]:
    """Smooth colours with some noise: (n, side, side, 3)."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (n, 6, 6, 3), np.uint8)
    large = np.stack([np.asarray(Image.fromarray(one).resize((side, side))) for one in small]).astype(float)
    return (large + rng.normal(0, 8, large.shape)).clip(0, 255).astype(np.uint8)


def by_hand(state: dict[str, Tensor], patches: Tensor) -> Tensor:
    """The class token behind the first blocks, for pictures (n, 3, 518, 518) that are normalised already: (n, 384)."""
    named = state

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * named[f"{name}.weight"] + named[f"{name}.bias"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ named[f"{name}.weight"].T + named[f"{name}.bias"]

    n = len(patches)
    cut = patches.unfold(2, 14, 14).unfold(3, 14, 14).permute(0, 2, 3, 1, 4, 5).reshape(n, 37 * 37, -1)
    x = cut @ named["patch_embed.proj.weight"].flatten(1).T + named["patch_embed.proj.bias"]
    x = torch.cat([named["cls_token"].expand(n, -1, -1), x], dim=1) + named["pos_embed"]
    for i in range(N_BLOCKS):
        heads = linear(norm(x, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv").view(n, -1, 3, 6, 64)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        seen = (query @ key.mT / 8).softmax(-1) @ value
        x = x + named[f"blocks.{i}.ls1.gamma"] * linear(seen.transpose(1, 2).flatten(2), f"blocks.{i}.attn.proj")
        hidden = linear(norm(x, f"blocks.{i}.norm2"), f"blocks.{i}.mlp.fc1")
        hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
        x = x + named[f"blocks.{i}.ls2.gamma"] * linear(hidden, f"blocks.{i}.mlp.fc2")
    return norm(x[:, 0], "norm")


def test_at_the_size_of_its_training_the_features_are_those_of_attention_by_hand() -> None:
    state, frames = random_state("dinov2"), pictures(1, 518)
    network = build(dict(state), PARAMS.model_copy(update={"size": 518}))
    network.trunk.blocks = network.trunk.blocks[:N_BLOCKS]
    mean, deviation = (np.array(values) for values in (dinov2.MEAN, dinov2.DEVIATION))
    patches = torch.from_numpy((frames / 255 - mean) / deviation).permute(0, 3, 1, 2).float()
    expected = by_hand(state, patches)
    features = network(torch.from_numpy(frames))
    assert features.shape == (1, 384)
    assert (features - expected).abs().max() < 1e-4 * expected.abs().max()


def test_pictures_are_resized_and_normalised_as_timm_prepares_them_for_this_network() -> None:
    network, frames = build(random_state("dinov2"), PARAMS), pictures(2, 299)
    data = timm.data.resolve_data_config({"input_size": (3, 224, 224)}, model=network.trunk)
    prepare = timm.data.create_transform(**data)
    expected = network.trunk(torch.stack([prepare(Image.fromarray(frame)) for frame in frames]))
    cosine = torch.cosine_similarity(network(torch.from_numpy(frames)), expected)
    assert (cosine > 0.999).all()  # Pillow rounds what it has resized to 8 bits
    assert torch.cosine_similarity(expected[:1], expected[1:]) < 0.99


def test_the_shapes_are_those_of_timms_network() -> None:
    with torch.device("meta"):
        trunk = timm.create_model(f"{dinov2.MODEL}.lvd142m", pretrained=False, num_classes=0)
    assert {name: tuple(value.shape) for name, value in trunk.state_dict().items()} == expected_shapes()


def test_the_published_file_is_told_by_its_names_and_its_mask_is_left_out(tmp_path: Path) -> None:
    state = random_state("dinov2")
    torch.save(state | {"mask_token": torch.zeros(1, 384)}, tmp_path / "mine.pth")
    network, found = read_any_weights(tmp_path / "mine.pth")
    assert network == "dinov2"
    assert state_sha256(found) == state_sha256(state)


def test_a_size_that_patches_do_not_fill_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"dinov2": PARAMS.model_dump() | {"size": 299}}))
    with pytest.raises(ParamsError, match=r"dinov2\.size: Input should be a multiple of 14 \(got 299\)"):
        load_params("dinov2", Dinov2Params, tmp_path / "params.yaml")


def test_pictures_without_a_size_are_refused() -> None:
    check_inputs({"size": 14})
    with pytest.raises(ParamsError, match=r"frames\.size: None; expected at least 14 pixels: DINOv2 sees patches"):
        check_inputs({})


def test_pictures_of_another_type_are_refused() -> None:
    network = build(random_state("dinov2"), PARAMS)
    with pytest.raises(DataError, match=r"DINOv2: torch\.float32 of shape \(1, 80, 80, 3\); expected uint8 \(n, side"):
        network(torch.zeros(1, 80, 80, 3))


def test_timm_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ParamsError, match=r"dinov2: needs timm .*; expected it: pip install -e '\.\[timm\]'"):
        build({}, PARAMS)
