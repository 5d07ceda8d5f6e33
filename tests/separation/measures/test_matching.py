from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from pipeline.formats.clips import Clip
from pipeline.formats.shards import write_shards
from pipeline.separation.measures.matching import equal_error_rate, matching_of, pairs_of
from pipeline.separation.measures.scores import EvaluateSeparationParams
from pipeline.separation.separating import EMBEDDINGS

PARAMS = EvaluateSeparationParams(fft=256, window=200, hop=80, taps=32, bootstrap_draws=50, seed=0)
CLIPS = {
    f"p{person}/{k}": Clip(clip_id=f"p{person}/{k}", path="", label="speech", split="test", source_id=f"p{person}")
    for person in range(8)
    for k in range(3)
}
Embeddings = dict[str, dict[str, NDArray[np.float32]]]


def embeddings(noise: float, seed: int = 0) -> Embeddings:
    """A direction a person, and noise."""
    rng = np.random.default_rng(seed)
    own = {f"p{person}": rng.normal(size=16) for person in range(8)}
    return {
        name: {
            kind: (own[name[:2]] + noise * rng.normal(size=(2, 16))).astype(np.float32) for kind in ("face", "voice")
        }
        for name in CLIPS
    }


def test_pairs_are_of_different_clips() -> None:
    pairs = pairs_of(embeddings(0.1), CLIPS)
    n = len(CLIPS)
    assert pairs.scores.shape == (2, n * (n - 1))
    assert pairs.same.sum() == n * 2
    naive = []
    vectors = embeddings(0.1)
    for one in sorted(CLIPS):
        for other in sorted(CLIPS):
            if one != other:
                face, voice = vectors[one]["face"][1], vectors[other]["voice"][1]
                naive.append(float(face @ voice / np.linalg.norm(face) / np.linalg.norm(voice)))
    np.testing.assert_allclose(pairs.scores[1], naive, atol=1e-6)


@pytest.mark.parametrize(("noise", "low", "high"), [(0.05, 0.999, 1.0), (1e6, 0.3, 0.7)])
def test_auc_is_one_where_all_is_known_and_a_half_where_nothing_is(
    noise: float, low: float, high: float, tmp_path: Path
) -> None:
    made = embeddings(noise)
    write_shards(tmp_path / EMBEDDINGS, made, made.__getitem__)
    measured = matching_of(tmp_path, CLIPS, PARAMS)
    assert measured is not None
    assert low <= measured["auc"] <= high
    assert measured["eer"] == pytest.approx(1 - measured["auc"], abs=0.1)
    assert measured["n_pairs"] == 24 * 23
    assert 0 <= measured["margin"] < 0.3


def test_a_separator_without_embeddings_matches_nothing(tmp_path: Path) -> None:
    write_shards(tmp_path / EMBEDDINGS, [], lambda _: {})
    assert matching_of(tmp_path, CLIPS, PARAMS) is None


def test_the_equal_error_rate_is_where_both_errors_meet() -> None:
    rng = np.random.default_rng(0)
    same = np.repeat([True, False], 20000)
    scores = rng.normal(size=40000) + same  # two bells one apart: both errors are those of half of that
    assert equal_error_rate(same, scores) == pytest.approx(norm.cdf(-0.5), abs=0.01)
