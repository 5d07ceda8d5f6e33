from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError
from pipeline.evaluate import (
    Embeddings,
    EvaluateParams,
    chance,
    class_map_rows,
    confusion_rows,
    model_metrics,
    precision_scope_rows,
)

PARAMS = EvaluateParams(recall_at=(1, 5), scope_sizes=(1, 3, 500), chance_permutations=50, seed=0)


def make(n_seeds: int = 2, n: int = 30) -> Embeddings:
    rng = np.random.default_rng(0)
    labels = np.array(["cat", "dog", "owl"])[np.arange(n) % 3]
    signal = np.eye(3, 5)[np.arange(n) % 3]
    audio, visual = (signal + rng.normal(size=(n_seeds, n, 5)) for _ in range(2))
    return Embeddings(audio.astype(np.float32), visual.astype(np.float32), labels)


def sklearn_map(query: np.ndarray, gallery: np.ndarray, labels: np.ndarray) -> float:
    scores, relevant = cosine_similarity(query, gallery), labels[:, None] == labels
    return float(np.mean([average_precision_score(hits, row) for hits, row in zip(relevant, scores, strict=True)]))


def test_map_is_scikit_learn_s_averaged_over_seeds_and_directions() -> None:
    made = make()
    ways = {
        "audio_to_visual": [sklearn_map(a, v, made.labels) for a, v in zip(made.audio, made.visual, strict=True)],
        "visual_to_audio": [sklearn_map(v, a, made.labels) for a, v in zip(made.audio, made.visual, strict=True)],
    }
    metrics = model_metrics(made, PARAMS)
    for name, values in ways.items():
        assert metrics[name]["map"] == pytest.approx(np.mean(values))
        assert metrics[name]["map_std"] == pytest.approx(np.std(values, ddof=1))
    both = np.mean(list(ways.values()), axis=0)
    assert metrics["average"]["map"] == pytest.approx(np.mean(both))
    assert metrics["average"]["map_std"] == pytest.approx(np.std(both, ddof=1))


def test_one_seed_has_no_spread() -> None:
    assert model_metrics(make(n_seeds=1), PARAMS)["average"]["map_std"] == 0


def test_chance_is_what_noise_scores() -> None:
    rng, made = np.random.default_rng(1), make()
    noise = [sklearn_map(rng.normal(size=(30, 8)), rng.normal(size=(30, 8)), made.labels) for _ in range(60)]
    assert chance(made, PARAMS)["map"] == pytest.approx(np.mean(noise), abs=0.01)


def test_the_scope_curve_starts_at_the_share_of_right_first_results_and_stops_at_the_gallery() -> None:
    rows = precision_scope_rows(make(), PARAMS.scope_sizes)
    assert [row["scope"] for row in rows] == [1, 3]
    assert rows[0]["audio_to_visual"] == pytest.approx(model_metrics(make(), PARAMS)["audio_to_visual"]["recall_at_1"])


def test_class_maps_average_to_the_map() -> None:
    rows = class_map_rows(make())
    assert [row["class"] for row in rows] == ["cat", "dog", "owl"]
    mean = np.mean([row["visual_to_audio"] for row in rows])  # the classes are of one size
    assert mean == pytest.approx(model_metrics(make(), PARAMS)["visual_to_audio"]["map"])


def test_the_confusion_table_holds_every_query_of_both_ways_and_all_seeds() -> None:
    rows = confusion_rows(make())
    assert len(rows) == 2 * 2 * 30
    right = np.mean([row["actual"] == row["predicted"] for row in rows])
    assert right == pytest.approx(model_metrics(make(), PARAMS)["average"]["recall_at_1"])


def test_only_test_clips_are_loaded(tmp_path: Path) -> None:
    audio = np.arange(8.0).reshape(1, 4, 2)
    splits, labels = np.array(["train", "test", "validation", "test"]), np.array(["a", "b", "a", "c"])
    np.savez(tmp_path / "e.npz", audio=audio, visual=-audio, splits=splits, labels=labels)
    made = Embeddings.load(tmp_path / "e.npz")
    assert made.audio.tolist() == [[[2, 3], [6, 7]]]
    assert made.visual.tolist() == [[[-2, -3], [-6, -7]]]
    assert made.labels.tolist() == ["b", "c"]


def test_embeddings_without_a_test_clip_are_refused(tmp_path: Path) -> None:
    one = np.zeros((1, 1, 2))
    np.savez(tmp_path / "e.npz", audio=one, visual=one, splits=np.array(["train"]), labels=np.array(["a"]))
    with pytest.raises(DataError, match=r"e.npz: no clip of the split 'test'"):
        Embeddings.load(tmp_path / "e.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"e.npz.*expected embeddings that the stage `embed` wrote"):
        Embeddings.load(tmp_path / "e.npz")
