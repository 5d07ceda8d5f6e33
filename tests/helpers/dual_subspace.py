"""Small dual-subspace models, and clips whose classes no line can follow."""

from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from pipeline.model_parts.base import Pairs
from pipeline.model_parts.training import seeded
from pipeline.models.dual_subspace import DualSubspaceNetwork, Model, Params
from tests.helpers.cosines import exact_cosines

VALUES: dict[str, Any] = {
    "seeds": [0], "epochs": 30, "batch_size": 32, "learning_rate": 0.003, "weight_decay": 1e-4, "clip_norm": 1.0,
    "patience": 30, "lambda_corr": 1.0, "lambda_disc": 1.0, "lambda_constraint": 0.1, "lambda_pairs": 0.0,
    "correlation": "pairwise",
    "correlation_ridge": 1e-3, "n_hidden_layers": 1, "hidden_width": 32, "explicit_width": 8, "implicit_width": 8,
    "dropout": 0.1, "fusion": "cca", "fusion_components": 4, "fusion_ridge": 1e-4, "inputs": "standardised",
    "whitening_ridge": 1.0, "discriminative": "label_distance", "explicit_share": 0.5,
    "explicit_branch": "perceptron", "implicit_branch": "perceptron", "n_fourier_features": 100, "n_heads": 1,
    "n_subspaces": 2,
}  # fmt: skip


def params(**changes: Any) -> Params:  # noqa: ANN401 - values of any field
    """The small parameters of these tests, with changes."""
    return Params.model_validate(VALUES | changes)


def pairs(seed: int, n: int = 100, n_classes: int = 5) -> Pairs:
    """Classes at the corners of a nonlinear picture, on features of unlike means and scales."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(n) % n_classes
    angle = 2 * np.pi * (labels[:, None] + 0.1 * rng.standard_normal((n, 2))) / n_classes
    audio = np.hstack([np.cos(angle[:, :1]), np.sin(angle[:, :1]), rng.standard_normal((n, 4))]) * 50 + 100
    visual = np.hstack([np.cos(2 * angle[:, 1:]), np.sin(2 * angle[:, 1:]), rng.standard_normal((n, 6))]) * 0.01
    return Pairs(audio.astype(np.float32), visual.astype(np.float32), labels)


TRAIN, VALIDATION, TEST = pairs(0), pairs(1, n=40), pairs(2, n=60)


PROBABLE = {"correlation": "agreement", "discriminative": "cross_entropy", "fusion": "weighted"}
AUDIO, VISUAL = torch.from_numpy(TRAIN.audio), torch.from_numpy(TRAIN.visual)
ONEHOT = torch.eye(5)[torch.from_numpy(TRAIN.labels)]


def untrained(**changes: Any) -> DualSubspaceNetwork:  # noqa: ANN401 - values of any field
    """A network with initial weights, and statistics of TRAIN."""
    with seeded(0, torch.device("cpu")):
        network = DualSubspaceNetwork(6, 8, 5, params(**changes)).eval()
    network.prepare(AUDIO, VISUAL, ONEHOT)
    return network


def fitted(**changes: Any) -> Model:  # noqa: ANN401 - values of any field
    """A model trained on TRAIN; cached, because nothing here changes it."""
    return _fitted(**{key: value for key, value in changes.items() if value != VALUES[key]})


@cache
def _fitted(**changes: Any) -> Model:  # noqa: ANN401 - values of any field
    model = Model(params(**changes), seed=0)
    model.fit(TRAIN, VALIDATION)
    return model


def average_map(model: Model, clips: Pairs) -> float:
    """MAP of both directions by scikit-learn alone."""
    similarity = exact_cosines(model.embed_audio(clips.audio), model.embed_visual(clips.visual))
    relevant = clips.labels[:, None] == clips.labels
    rows = [*zip(relevant, similarity, strict=True), *zip(relevant, similarity.T, strict=True)]
    return float(np.mean([average_precision_score(hits, scores) for hits, scores in rows]))
