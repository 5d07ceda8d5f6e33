"""Oracle: scikit-learn's nDCG."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError, ParamsError
from studies.protocols.few_queries import draw_queries, few_queries_ndcg

LABELS = np.repeat([0, 1, 2, 3], [12, 8, 3, 1])


def embeddings(labels: np.ndarray, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    audio, visual = (np.eye(30)[labels] + noise * rng.normal(size=(len(labels), 30)) for _ in range(2))
    return audio, visual


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
