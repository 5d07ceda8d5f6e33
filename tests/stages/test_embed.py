"""The stage ``embed`` keeps the embeddings of each seed in its place."""

from pathlib import Path

import numpy as np

from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.provenance import write_provenance
from pipeline.model_parts.base import Pairs
from pipeline.models import kcca
from stages import embed

PARAMS = {
    "inputs": "standardised", "whitening_ridge": 1.0, "kernel": "rbf", "width_factor": 1.0, "n_landmarks": 5,
    "n_components": 2, "ridge": 1.0, "seeds": [2, 10],
}  # fmt: skip


def test_embeddings_stand_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    audio, visual = (rng.standard_normal((20, width)).astype(np.float32) for width in (3, 4))
    labels = np.arange(20) % 2
    table = FeatureTable(
        clip_ids=[f"clip {k}" for k in range(20)],
        splits=["train"] * 20,
        labels=labels,
        classes=["a", "b"],
        audio=audio,
        visual=visual,
        provenance={},
    )
    table.save(tmp_path / "features.safetensors")
    models = {}
    for seed in (2, 10):  # which draw other landmarks
        models[seed] = kcca.Model(kcca.Params.model_validate(PARAMS), seed)
        models[seed].fit(Pairs(audio, visual, labels), Pairs(audio, visual, labels))
        models[seed].save(tmp_path / f"seed-{seed}.safetensors")
    write_provenance(tmp_path, {"device": "cpu"})
    embed.main(tmp_path / "features.safetensors", "kcca", tmp_path, tmp_path / "out" / "kcca.npz")
    with np.load(tmp_path / "out" / "kcca.npz") as file:
        expected = [models[seed].embed_audio(audio) for seed in (2, 10)]
        np.testing.assert_allclose(file["audio"], expected, rtol=1e-5)
    assert not np.allclose(*expected)
