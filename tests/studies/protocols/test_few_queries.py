"""Oracles: scikit-learn's nDCG, loops over sorted galleries, and the figures known of AVE."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError, ParamsError
from studies.protocols.few_queries import chance_segment_retrieval, draw_queries, few_queries_ndcg, segment_retrieval
from tests.helpers import ave_list

LABELS = np.repeat([0, 1, 2, 3], [12, 8, 3, 1])


def embeddings(labels: np.ndarray, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    audio, visual = (np.eye(30)[labels] + noise * rng.normal(size=(len(labels), 30)) for _ in range(2))
    return audio, visual


def naive_reciprocal_rank(query: np.ndarray, items: np.ndarray, relevant: np.ndarray) -> float:
    ranked = relevant[np.argsort(-cosine_similarity(query[None], items)[0])]
    return float(1 / (ranked.argmax() + 1))


def test_few_queries_agree_with_scikit_learn_on_the_drawn_clips() -> None:
    audio, visual = embeddings(LABELS)
    queries, corpus = draw_queries(LABELS, 4, seed=42)
    relevant = (LABELS[queries][:, None] == LABELS[corpus]).astype(float)
    scores = few_queries_ndcg(audio, visual, LABELS, 4, seed=42)
    for direction, query, items in (("audio_to_visual", audio, visual), ("visual_to_audio", visual, audio)):
        expected = ndcg_score(relevant, cosine_similarity(query[queries], items[corpus]), k=10)
        assert scores[direction] == pytest.approx(expected)


def test_queries_are_drawn_evenly_and_every_one_leaves_something_to_find() -> None:
    queries, corpus = draw_queries(LABELS, 4, seed=42)
    assert np.bincount(LABELS[queries], minlength=4).tolist() == [4, 4, 2, 0]
    assert np.bincount(LABELS[corpus]).tolist() == [8, 4, 1, 1]
    assert sorted([*queries, *corpus]) == list(range(len(LABELS)))


def test_the_seed_decides_which_clips_are_queries() -> None:
    one, same, other = (draw_queries(LABELS, 4, seed)[0].tolist() for seed in (42, 42, 43))
    assert one == same != other


def test_no_query_a_class_is_refused() -> None:
    with pytest.raises(ParamsError, match="queries_per_class=0; expected at least 1"):
        draw_queries(LABELS, 0, seed=42)


@pytest.mark.parametrize("labels", [np.arange(3), np.arange(0)], ids=["classes of one clip", "no clip"])
def test_without_a_class_of_two_clips_there_are_no_queries(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="no class has two clips; expected one to search with"):
        draw_queries(labels, 4, seed=42)


@pytest.mark.parametrize("labels", [LABELS[:-2], np.append(LABELS, [0, 0])], ids=["too few", "too many"])
def test_labels_that_do_not_match_their_rows_are_refused(labels: np.ndarray) -> None:
    audio, visual = embeddings(LABELS)
    with pytest.raises(DataError, match=r"audio labels: shape .*; expected \(24,\), one a row"):
        few_queries_ndcg(audio, visual, labels, 4, seed=42)
    with pytest.raises(DataError, match=r"audio labels: shape .*; expected \(24,\), one a row"):
        segment_retrieval(audio, visual, labels)


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
    for direction, expected in (("audio_to_visual", "cross_modal"), ("audio_to_audio", "within_modality")):
        assert scores[direction] == pytest.approx(chance[expected], abs=0.06)


@pytest.mark.skipif(not ave_list.FOLDER.exists(), reason="the lists of AVE are not here; made-up ones are, above")
def test_chance_of_segment_retrieval_on_the_list_of_ave_is_the_known_one() -> None:
    chance = chance_segment_retrieval(ave_list.published().labels)
    assert chance["cross_modal"] == pytest.approx(0.168, abs=0.0005)
    assert chance["within_modality"] == pytest.approx(0.163, abs=0.001)


def test_segments_all_of_different_classes_are_refused() -> None:
    with pytest.raises(DataError, match="no class has two segments; expected a query and something to find"):
        chance_segment_retrieval(np.arange(3))
