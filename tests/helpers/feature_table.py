"""A table of features with names of all kinds."""

import numpy as np

from pipeline.formats.feature_table import FeatureTable

PROVENANCE = {"vggish": {"weights": "random"}, "features": {"audio_scaling": "none", "whiten": True}}


def named_table(n: int = 12) -> FeatureTable:
    rng = np.random.default_rng(0)
    return FeatureTable(
        clip_ids=[f"{'été' if i % 2 else 'cat'}/{i:03d}.mp4" for i in sorted(range(n), key=lambda i: (i % 2, i))],
        splits=[("train", "validation", "test", "train")[i % 4] for i in range(n)],
        labels=np.arange(n) % 2,
        classes=["cat", "été 🎺"],
        audio=rng.random((n, 4), np.float32),
        visual=rng.random((n, 3), np.float32),
        provenance=PROVENANCE,
    )
