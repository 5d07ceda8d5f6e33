"""The features themselves as embeddings."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError
from pipeline.model_parts.base import Pairs
from pipeline.models.zero_shot import Model, Params
from pipeline.retrieval import average_map

RNG = np.random.default_rng(0)
LABELS = np.arange(30) % 3
SHARED = 2 * np.eye(3, 8)[LABELS] + RNG.standard_normal((30, 8))
PAIRS = Pairs(
    (SHARED + RNG.standard_normal((30, 8))).astype(np.float32),
    (SHARED + RNG.standard_normal((30, 8))).astype(np.float32),
    LABELS,
)


def fitted() -> Model:
    model = Model(Params(), seed=0)
    assert model.fit(PAIRS, PAIRS) == []
    return model


def test_retrieval_is_by_the_cosines_of_the_features() -> None:
    model = fitted()
    near = cosine_similarity(PAIRS.audio, PAIRS.visual)
    relevant = LABELS[:, None] == LABELS
    maps = [
        np.mean([average_precision_score(hits, scores) for hits, scores in zip(relevant, ranked, strict=True)])
        for ranked in (near, near.T)
    ]
    found = average_map(model.embed_audio(PAIRS.audio), model.embed_visual(PAIRS.visual), LABELS)
    assert found == pytest.approx(np.mean(maps), abs=1e-6)


def test_neither_labels_nor_which_clips_are_pairs_play_a_part() -> None:
    other = Model(Params(), seed=3)
    other.fit(Pairs(PAIRS.audio, PAIRS.visual[::-1], np.full(30, -1)), PAIRS)
    np.testing.assert_array_equal(other.embed_audio(PAIRS.audio), fitted().embed_audio(PAIRS.audio))


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    fitted().save(tmp_path / "model.safetensors")
    again = Model.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.embed_visual(PAIRS.visual), PAIRS.visual)
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_modalities_of_other_widths_are_of_no_joint_space() -> None:
    with pytest.raises(DataError, match=r"zero_shot: audio features 8 wide and visual ones 5; expected vectors of one"):
        Model(Params(), seed=0).fit(PAIRS._replace(visual=PAIRS.visual[:, :5]), PAIRS)


def test_features_of_another_width_are_refused() -> None:
    with pytest.raises(DataError, match=r"audio: shape \(30, 5\); expected \(n, 8\)"):
        fitted().embed_audio(PAIRS.audio[:, :5])


def test_a_model_that_is_not_fitted_says_so() -> None:
    with pytest.raises(DataError, match="model is not fitted"):
        Model(Params(), seed=0).embed_audio(PAIRS.audio)
