"""Every deep model learns and embeds on a GPU, one in pretence: no step mixes devices, and the numbers are a CPU's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.model_parts.base import Pairs, model_module, model_names
from pipeline.settings.params import load_params, model_sections
from tests.helpers.pretended_gpu import pretended_gpu
from tests.helpers.project import ROOT

PARAMS_FILE = ROOT / "params.yaml"
DEEP = [name for name in model_names() if hasattr(model_module(name).Model, "network_class")]
CHOICES: list[tuple[str, dict[str, Any]]] = [  # beside those of params.yaml
    ("dscmr", {"inputs": "whitened"}),
    ("tnn_c_cca", {"triplets": "hardest"}),
    *(("dual_subspace", {"correlation": form}) for form in ("pairwise", "likelihood", "cca", "agreement")),
    ("dual_subspace", {"correlation": "agreement_of_pairs"}),
    *(("dual_subspace", {"fusion": form}) for form in ("cca", "cluster_cca", "weighted", "by_agreement", "none")),
    *(("dual_subspace", {"discriminative": form}) for form in ("label_distance", "cross_entropy")),
    *(("dual_subspace", {"implicit_branch": form}) for form in ("perceptron", "fourier")),
]


def pairs(seed: int, n: int = 30, n_classes: int = 3) -> Pairs:
    """Clips whose class shifts both modalities, audio 6 wide and visual 8."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    features = rng.standard_normal((n, 14)).astype(np.float32) + 2 * labels[:, None].astype(np.float32)
    return Pairs(features[:, :6], features[:, 6:], labels)


TRAIN, VALIDATION, TEST = pairs(0), pairs(1), pairs(2)


def chosen(name: str) -> dict[str, Any]:
    """The params of a model as they stand in params.yaml."""
    return load_params(model_sections(PARAMS_FILE)[name], model_module(name).Params, PARAMS_FILE).model_dump()


def unfitted(name: str, changes: dict[str, Any]) -> Any:  # noqa: ANN401 - each model has its class
    module = model_module(name)
    return module.Model(module.Params.model_validate(chosen(name) | {"epochs": 1, "batch_size": 20} | changes), 0)


OTHERS = [
    (name, changes) for name, changes in CHOICES if not all(chosen(name)[key] == form for key, form in changes.items())
]


@pytest.mark.parametrize(("name", "changes"), [*((name, {}) for name in DEEP), *OTHERS], ids=str)
def test_a_fit_on_a_gpu_is_that_on_a_cpu(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    with pretended_gpu():
        model = unfitted(name, changes)
        history = model.fit(TRAIN, VALIDATION)
        embedded = model.embed_audio(TEST.audio), model.embed_visual(TEST.visual)
        model.save(tmp_path / "model.safetensors")
        assert model.device == "cuda"
    on_cpu = unfitted(name, changes)
    assert on_cpu.device == "cpu"
    assert history == on_cpu.fit(TRAIN, VALIDATION)
    loaded = type(model).load(tmp_path / "model.safetensors")
    for fitted in (on_cpu, loaded):
        np.testing.assert_allclose(embedded[0], fitted.embed_audio(TEST.audio), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(embedded[1], fitted.embed_visual(TEST.visual), rtol=1e-6, atol=1e-6)


def test_the_pretended_gpu_refuses_what_a_gpu_refuses() -> None:
    with pretended_gpu():
        layer, on_cpu = torch.nn.Linear(3, 2).to("cuda:0"), torch.ones(4, 3)
        on_gpu = on_cpu.to("cuda:0")
        assert layer(on_gpu).device == (on_gpu + torch.tensor(1.0)).device == torch.device("cuda:0")
        mixed: list[Callable[[], object]] = [
            lambda: on_gpu + on_cpu,
            lambda: layer(on_cpu),
            lambda: torch.cat([on_cpu, on_gpu]),
            lambda: on_cpu.add_(on_gpu),
        ]
        for mix in mixed:
            with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
                mix()
        with pytest.raises(RuntimeError, match="numpy"):
            on_gpu.numpy()
        assert on_gpu.cpu().numpy().tolist() == on_cpu.numpy().tolist()
