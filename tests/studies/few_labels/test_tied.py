"""Branches that are tied: a loop over clips says how unlike they pick, and a trunk is one for both."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from pipeline.models.dual_subspace import Params
from pipeline.settings.params import load_params
from studies.few_labels.tied import TiedNetwork, TiedParams, consistency_loss


def picks(audio: np.ndarray, visual: np.ndarray) -> np.ndarray:
    agreement = softmax(audio, axis=1) @ softmax(visual, axis=1).T
    return agreement / agreement.sum(axis=1, keepdims=True)


def test_consistency_is_the_divergence_of_the_picks_of_the_rows_that_are_asked_for() -> None:
    rng, rows = np.random.default_rng(0), np.array([True, False, True, True, False])
    one, other = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 3))
    expected = []
    for (a, v), (b, w) in (((one[0], one[1]), (other[0], other[1])), ((one[1], one[0]), (other[1], other[0]))):
        mine, others = picks(a, v), picks(b, w)
        for learner, teacher in ((mine, others), (others, mine)):
            expected.append((teacher * np.log(teacher / learner)).sum(axis=1)[rows].mean())
    tensors = [tuple(map(torch.from_numpy, of)) for of in (one, other)]
    assert consistency_loss(*tensors, torch.from_numpy(rows)).item() == pytest.approx(np.mean(expected))
    assert consistency_loss(tensors[0], tensors[0], torch.from_numpy(rows)).item() == pytest.approx(0, abs=1e-9)


def test_both_branches_are_linear_maps_of_one_trunk() -> None:
    section = load_params("model", Params).model_dump()
    torch.manual_seed(0)
    network = TiedNetwork(6, 5, 3, TiedParams(**section, has_trunk=True)).eval()
    rows = torch.randn(40, 6)
    hidden = network.audio.inputs(rows)
    for branch in network.audio(rows):
        design = torch.cat([hidden, torch.ones(40, 1)], dim=1).detach().double()
        solved = torch.linalg.lstsq(design, branch.detach().double(), driver="gelsd").solution
        torch.testing.assert_close(design @ solved, branch.detach().double(), atol=1e-5, rtol=0)
    assert {id(of) for of in network.audio.explicit.parameters()}.isdisjoint(
        map(id, network.audio.implicit.parameters())
    )
