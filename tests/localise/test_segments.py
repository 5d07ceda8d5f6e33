"""Oracles: loops over sorted galleries, and the figures known of AVE."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError
from pipeline.localise.segments import chance_segment_retrieval, segment_retrieval
from tests.helpers import ave_list

LABELS = np.repeat([0, 1, 2, 3], [12, 8, 3, 1])


def embeddings(labels: np.ndarray, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    audio, visual = (np.eye(30)[labels] + noise * rng.normal(size=(len(labels), 30)) for _ in range(2))
    return audio, visual


def naive_reciprocal_rank(query: np.ndarray, items: np.ndarray, relevant: np.ndarray) -> float:
    ranked = relevant[np.argsort(-cosine_similarity(query[None], items)[0])]
    return float(1 / (ranked.argmax() + 1))


def test_segment_retrieval_agrees_with_a_loop_over_sorted_galleries() -> None:
    audio, visual = embeddings(LABELS)
    scores = segment_retrieval(audio, visual, LABELS)
    cross = [naive_reciprocal_rank(query, visual, label == LABELS) for query, label in zip(audio, LABELS, strict=True)]
    within = []
    for row in np.flatnonzero(LABELS != 3):
        others = np.delete(np.arange(len(LABELS)), row)
        within.append(naive_reciprocal_rank(visual[row], visual[others], LABELS[others] == LABELS[row]))
    assert scores["audio_to_visual"] == pytest.approx(np.mean(cross))
    assert scores["visual_to_visual"] == pytest.approx(np.mean(within))
    assert scores.keys() == {"audio_to_visual", "visual_to_audio", "audio_to_audio", "visual_to_visual"}


def test_embeddings_that_know_nothing_get_the_chance_of_segment_retrieval() -> None:
    labels = ave_list.made_up(300).labels
    chance, scores = chance_segment_retrieval(labels), segment_retrieval(*embeddings(labels, noise=1e6), labels)
    for direction in ("audio_to_visual", "audio_to_audio"):
        assert scores[direction] == pytest.approx(chance[direction], abs=0.06)


@pytest.mark.skipif(not ave_list.FOLDER.exists(), reason="the lists of AVE are not here; made-up ones are, above")
def test_chance_of_segment_retrieval_on_the_list_of_ave_is_the_known_one() -> None:
    chance = chance_segment_retrieval(ave_list.published().labels)
    assert chance["visual_to_audio"] == pytest.approx(0.168, abs=0.0005)
    assert chance["visual_to_visual"] == pytest.approx(0.163, abs=0.001)


def test_segments_all_of_different_classes_are_refused() -> None:
    with pytest.raises(DataError, match="no class has two segments; expected a query and something to find"):
        chance_segment_retrieval(np.arange(3))


def test_labels_that_do_not_match_their_rows_are_refused() -> None:
    audio, visual = embeddings(LABELS)
    with pytest.raises(DataError, match=r"audio labels: shape \(22,\); expected \(24,\), one a row"):
        segment_retrieval(audio, visual, LABELS[:-2])
