"""Branches of other kinds, several heads and one subspace in place of two, in the dual-subspace model."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from tests.helpers.dual_subspace import AUDIO, ONEHOT, PROBABLE, TEST, VISUAL, average_map, fitted, params, untrained


@pytest.mark.parametrize(
    "changes",
    [
        {"implicit_branch": "fourier", "explicit_share": 0.0, "lambda_corr": 0.0},
        {"explicit_branch": "fourier", "explicit_share": 1.0, "lambda_disc": 0.0},
        {"explicit_branch": "fourier", "implicit_branch": "fourier", "n_heads": 3, "inputs": "unit"},
        {"n_subspaces": 1, "lambda_constraint": 0.0, "n_heads": 2},
    ],
)
def test_kernel_machines_heads_and_one_subspace_rank_unseen_clips_far_above_chance(changes: dict[str, Any]) -> None:
    assert average_map(fitted(**PROBABLE, **changes), TEST) > 0.4  # chance is 0.23


@torch.inference_mode()
@pytest.mark.parametrize("fusion", ["weighted", "none"])
@pytest.mark.parametrize("n_subspaces", [1, 2])
def test_similarities_and_losses_are_the_means_of_those_of_networks_of_one_head_each(
    n_subspaces: int, fusion: str
) -> None:
    changes = PROBABLE | {"n_subspaces": n_subspaces, "lambda_constraint": 0.1 * (n_subspaces - 1), "fusion": fusion}
    whole, single = untrained(**changes, n_heads=3), untrained(**changes)
    similarities, losses = [], []
    for head in "012":
        moved = {
            re.sub(r"(heads|classifiers)\.\d", r"\1.0", name): value
            for name, value in whole.state_dict().items()
            if not re.search(r"(heads|classifiers)\.\d", name) or re.search(rf"(heads|classifiers)\.{head}", name)
        }
        single.load_state_dict(moved)
        similarities.append(cosine_similarity(single.embed_audio(AUDIO), single.embed_visual(VISUAL)))
        losses.append(single.loss(AUDIO, VISUAL, ONEHOT).item())
    similarity = cosine_similarity(whole.embed_audio(AUDIO), whole.embed_visual(VISUAL))
    np.testing.assert_allclose(similarity, np.mean(similarities, axis=0), atol=1e-6)
    assert len({round(loss, 4) for loss in losses}) == 3
    assert whole.loss(AUDIO, VISUAL, ONEHOT).item() == pytest.approx(np.mean(losses), rel=1e-6)


def test_one_subspace_is_one_branch_a_modality_that_both_losses_train() -> None:
    network = untrained(**PROBABLE, n_subspaces=1, lambda_constraint=0.0)
    assert {name.split(".")[1] for name, _ in network.audio.named_parameters(prefix="audio")} == {"explicit"}
    for weights in ({"lambda_corr": 0.0}, {"lambda_disc": 0.0}):
        network.params = params(**PROBABLE, n_subspaces=1, lambda_constraint=0.0, **weights)
        network.zero_grad()
        network.loss(AUDIO, VISUAL, ONEHOT).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in network.audio.parameters())
