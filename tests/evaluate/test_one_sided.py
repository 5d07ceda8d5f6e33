"""What is measured where clips of one side are searched too; scikit-learn and a ranking by hand say what it is."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.evaluate.independence import Groups
from pipeline.evaluate.one_sided import measure_one_sided
from pipeline.evaluate.results import Results, measure_all
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.formats.one_sided import OneSide, OneSided
from tests.evaluate.test_model_metrics import PARAMS
from tests.helpers.cosines import exact_cosines

CLASSES = ["cat", "dog", "owl"]
N = 12
WAYS = ("audio_to_visual", "visual_to_audio")


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def side(labels: list[str], features: np.ndarray) -> OneSide:
    return OneSide(clip_ids=[f"{number}" for number in range(len(labels))], labels=labels, features=features)


def pairs(folder: Path, labels: np.ndarray) -> tuple[Results, np.ndarray, np.ndarray]:
    """Two seeds of one model on N clips with both sides, whose features are rows of the numbers from 0."""
    audio, visual = drawn(2, N, 5), drawn(3, N, 5)[:2]
    facts = {"classes": CLASSES, "clip_ids": [f"pair {i}" for i in range(N)], "splits": ["test"] * N}
    EmbeddedClips(audio=audio, visual=visual, labels=labels, **facts).save(folder / "model.npz")
    hashes = {name: [f"{name} {i}" for i in range(N)] for name in ("sounds", "pictures", "files", "sources")}
    return measure_all(folder, ["model"], Groups.of(hashes), PARAMS), audio, visual


def test_sounds_and_pictures_alone_are_searched_and_are_queries_where_something_is_relevant(tmp_path: Path) -> None:
    labels = np.arange(N) % 3
    results, audio, visual = pairs(tmp_path, labels)
    sounds, pictures = ["cat", "", "bat", "dog"], ["owl", "bat", "eel"]  # a bat has no pair, an eel no sound
    sides = OneSided(side(sounds, drawn(4, 2)), side(pictures, drawn(3, 2)))
    vectors = {"audio": drawn(2, 4, 5), "visual": drawn(2, 3, 5)}
    found = measure_one_sided(results, sides, {"model": vectors}, PARAMS)
    of_pairs = [CLASSES[label] for label in labels]
    names = {"audio": of_pairs + sounds, "visual": of_pairs + pictures}
    numbers = {
        "audio": np.concatenate([audio, vectors["audio"]], axis=1),
        "visual": np.concatenate([visual, vectors["visual"]], axis=1),
    }
    assert (found["n_audio"], found["n_visual"]) == (4, 3)
    for way in WAYS:
        query, gallery = way.split("_to_")
        items = [i for i, name in enumerate(names[gallery]) if name]
        known = {names[gallery][i] for i in items}
        rows = [i for i, name in enumerate(names[query]) if name in known]
        relevant = np.array([[names[query][i] == names[gallery][j] for j in items] for i in rows])
        by_query = np.mean(
            [
                [average_precision_score(hits, row) for hits, row in zip(relevant, scores, strict=True)]
                for seed in range(2)
                for scores in [exact_cosines(numbers[query][seed][rows], numbers[gallery][seed][items])]
            ],
            axis=0,
        )
        alone = np.array(rows) >= N
        assert found["directions"][way] == {
            "n_queries": len(rows),
            "n_one_sided_queries": alone.sum(),
            "n_gallery": len(items),
        }
        of_model = found["models"]["model"][way]
        assert of_model["map"] == pytest.approx(by_query.mean())
        assert of_model["one_sided_map"] == pytest.approx(by_query[alone].mean())
        assert {"recall_at_1", "recall_at_5"} < of_model.keys()
    assert found["directions"]["audio_to_visual"]["n_one_sided_queries"] == 3  # cat, bat and dog


def test_chance_is_what_random_embeddings_get_on_average(tmp_path: Path) -> None:
    results, *_ = pairs(tmp_path, np.arange(N) % 3)
    sides = OneSided(side(["cat"] * 4, drawn(4, 2)), side(["owl", "dog"], drawn(2, 2)))
    maps = []
    rng = np.random.default_rng(0)
    for _ in range(200):
        results.embeddings["model"].audio[:] = rng.normal(size=(2, N, 5))
        results.embeddings["model"].visual[:] = rng.normal(size=(2, N, 5))
        vectors = {"audio": rng.normal(size=(2, 4, 5)), "visual": rng.normal(size=(2, 2, 5))}
        found = measure_one_sided(results, sides, {"model": vectors}, PARAMS)
        maps.append(found["models"]["model"]["visual_to_audio"]["map"])
    spread = np.std(maps, ddof=1) / len(maps) ** 0.5
    assert abs(np.mean(maps) - found["chance"]["visual_to_audio"]["map"]) < 4 * spread


def test_without_labels_a_sound_alone_finds_a_picture_only_if_it_has_the_sound_of_a_pair(tmp_path: Path) -> None:
    results, audio, visual = pairs(tmp_path, np.full(N, -1))
    assert results.relevance == "clip"
    sounds, pictures = drawn(2, 2), drawn(3, 2)
    sides = OneSided(side(["", ""], sounds), side(["", "", ""], pictures))
    vectors = {"audio": drawn(2, 2, 5), "visual": drawn(2, 3, 5)}
    found = measure_one_sided(results, sides, {"model": vectors}, PARAMS)
    counts = {"n_queries": N, "n_one_sided_queries": 0}
    assert found["directions"] == {WAYS[0]: {**counts, "n_gallery": N + 3}, WAYS[1]: {**counts, "n_gallery": N + 2}}
    gallery = np.concatenate([visual, vectors["visual"]], axis=1)
    cosines = [exact_cosines(audio[seed], gallery[seed]) for seed in range(2)]
    ranks = np.array([[1 + (row > row[i]).sum() for i, row in enumerate(of_seed)] for of_seed in cosines])
    of_model = found["models"]["model"][WAYS[0]]
    assert of_model["mrr"] == pytest.approx((1 / ranks).mean())
    assert of_model["recall_at_5"] == pytest.approx((ranks <= 5).mean())
    assert "one_sided_mrr" not in of_model
    assert found["chance"][WAYS[0]]["mrr"] == pytest.approx(np.mean(1 / np.arange(1, N + 4)))


def test_one_modality_alone_may_have_no_such_clips(tmp_path: Path) -> None:
    results, *_ = pairs(tmp_path, np.arange(N) % 3)
    vectors = {"audio": np.zeros((2, 0, 0), np.float32), "visual": drawn(2, 1, 5)}
    found = measure_one_sided(
        results, OneSided(OneSide.empty(), side(["cat"], drawn(1, 2))), {"model": vectors}, PARAMS
    )
    assert found["directions"][WAYS[1]]["n_one_sided_queries"] == 1
    assert found["models"]["model"][WAYS[1]]["map"] == pytest.approx(
        (N * results.metrics["model"][WAYS[1]]["map"] + found["models"]["model"][WAYS[1]]["one_sided_map"]) / (N + 1)
    )
