from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from pipeline.errors import DataError, ParamsError
from pipeline.evaluate import model_metrics as model_metrics_module
from pipeline.evaluate.independence import Groups
from pipeline.evaluate.model_metrics import EvaluateParams, chance, measure, model_metrics, significance_rows
from pipeline.evaluate.plot_tables import class_map_rows, confusion_rows, precision_recall_rows, precision_scope_rows
from pipeline.formats.embeddings import EmbeddedClips, Embeddings, write_arrays
from tests.helpers.cosines import exact_cosines

PARAMS = EvaluateParams(
    relevance="auto",
    recall_at=(1, 5),
    scope_sizes=(1, 3, 500),
    max_queries=None,
    within_modality=True,
    kept_results=100,
    trec_rows=200_000,
    chance_permutations=50,
    significance_permutations=500,
    seed=0,
)


def make(n_seeds: int = 2, n: int = 30) -> Embeddings:
    rng = np.random.default_rng(0)
    labels, classes = np.arange(n) % 3, ["cat", "dog", "owl"]
    signal = np.eye(3, 5)[np.arange(n) % 3]
    audio, visual = (signal + rng.normal(size=(n_seeds, n, 5)) for _ in range(2))
    return Embeddings(audio.astype(np.float32), visual.astype(np.float32), labels, classes)


def own(made: Embeddings) -> Groups:
    """Each test clip is a group of its own."""
    return Groups.each_its_own(len(made.labels))


def sklearn_map(query: np.ndarray, gallery: np.ndarray, labels: np.ndarray) -> float:
    scores, relevant = exact_cosines(query, gallery), labels[:, None] == labels
    return float(np.mean([average_precision_score(hits, row) for hits, row in zip(relevant, scores, strict=True)]))


def test_map_is_scikit_learn_s_averaged_over_seeds_and_directions() -> None:
    made = make()
    ways = {
        "audio_to_visual": [sklearn_map(a, v, made.labels) for a, v in zip(made.audio, made.visual, strict=True)],
        "visual_to_audio": [sklearn_map(v, a, made.labels) for a, v in zip(made.audio, made.visual, strict=True)],
    }
    metrics = model_metrics(measure(made, PARAMS), own(made))
    for name, values in ways.items():
        assert metrics[name]["map"] == pytest.approx(np.mean(values))
        assert metrics[name]["map_std"] == pytest.approx(np.std(values, ddof=1))
    both = np.mean(list(ways.values()), axis=0)
    assert metrics["average"]["map"] == pytest.approx(np.mean(both))
    assert metrics["average"]["map_std"] == pytest.approx(np.std(both, ddof=1))


def test_the_margin_is_half_of_scipy_s_t_interval_of_the_seeds() -> None:
    made = make(n_seeds=4)
    maps = [sklearn_map(a, v, made.labels) for a, v in zip(made.audio, made.visual, strict=True)]
    low, high = stats.t.interval(0.95, 3, np.mean(maps), stats.sem(maps))
    metrics = model_metrics(measure(made, PARAMS), own(made))["audio_to_visual"]
    assert (metrics["map"] - metrics["map_margin"], metrics["map"] + metrics["map_margin"]) == pytest.approx(
        (low, high)
    )


def test_within_a_modality_map_is_scikit_learn_s_without_the_query() -> None:
    made = make(n_seeds=1)
    expected = []
    for row, query in enumerate(made.audio[0]):
        others = np.delete(np.arange(len(made.labels)), row)
        cosines = exact_cosines(query[None], made.audio[0][others])[0]
        expected.append(average_precision_score(made.labels[others] == made.labels[row], cosines))
    assert model_metrics(measure(made, PARAMS), own(made))["audio_to_audio"]["map"] == pytest.approx(np.mean(expected))


def test_a_clip_alone_in_its_class_is_no_query_within_a_modality() -> None:
    made = make(n_seeds=1, n=7)  # classes of 3, 2 and 2
    labels = np.where(np.arange(7) == 4, 3, made.labels)
    measured = measure(replace(made, labels=labels, classes=[*made.classes, "wolf"]), PARAMS)
    assert measured["audio_to_audio"].sample.rows.tolist() == [0, 2, 3, 5, 6]
    assert measured["audio_to_visual"].sample.rows.tolist() == list(range(7))


def test_a_split_of_classes_of_one_clip_has_no_metrics_within_a_modality() -> None:
    made = make(n_seeds=1, n=3)
    assert measure(made, PARAMS).keys() == {"audio_to_visual", "visual_to_audio"}
    assert chance(made, PARAMS).keys() == {"map", "map_std", "precision"}


def test_a_sample_of_the_queries_searches_the_whole_gallery_and_says_how_sure_it_is() -> None:
    made, params = make(n_seeds=1, n=90), PARAMS.model_copy(update={"max_queries": 30})
    measured = measure(made, params)
    metrics, exact = (
        model_metrics(measured, own(made))["audio_to_visual"],
        model_metrics(measure(made, PARAMS), own(made))["audio_to_visual"],
    )
    rows = measured["audio_to_visual"].sample.rows
    cosines = exact_cosines(made.audio[0][rows], made.visual[0])
    relevant = made.labels[rows][:, None] == made.labels
    expected = [average_precision_score(hits, scores) for hits, scores in zip(relevant, cosines, strict=True)]
    assert metrics["map"] == pytest.approx(np.mean(expected))  # the classes are of one size
    assert 0 < abs(metrics["map"] - exact["map"]) < metrics["map_sampling_margin"] < 0.1
    assert "map_sampling_margin" not in exact


def test_of_more_clips_than_are_compared_at_once_queries_are_drawn_two_of_each_class_at_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params, made = PARAMS.model_copy(update={"max_queries": "auto"}), make(n_seeds=1, n=90)
    monkeypatch.setattr(model_metrics_module, "AUTO_LEAST", 1)
    drawn = {}
    for n_rows in (90, 89, 40, 1):
        monkeypatch.setattr(model_metrics_module, "AUTO_COMPARISONS", 90 * n_rows)
        drawn[n_rows] = measure(made, params)["audio_to_visual"].sample.rows
    assert {n_rows: len(rows) for n_rows, rows in drawn.items()} == {90: 90, 89: 89, 40: 40, 1: 6}
    assert np.bincount(made.labels[drawn[1]]).tolist() == [2, 2, 2]


def test_a_model_of_noise_is_significantly_behind_and_a_copy_is_not() -> None:
    made, rng = make(), np.random.default_rng(5)
    noise = replace(made, audio=rng.normal(size=made.audio.shape), visual=rng.normal(size=made.audio.shape))
    models = {name: measure(of, PARAMS) for name, of in (("main", made), ("copy", made), ("noise", noise))}
    rows = {(row["model"], row["other"]): row for row in significance_rows(models, own(made), PARAMS)}
    leads = {name: model_metrics(of, own(made))["average"]["map"] for name, of in models.items()}
    assert rows["main", "noise"]["difference"] == pytest.approx(leads["main"] - leads["noise"])
    assert rows["main", "noise"]["p"] == pytest.approx(1 / 501)
    assert rows["main", "noise"]["p_holm"] == pytest.approx(3 / 501)
    assert (rows["main", "copy"]["difference"], rows["main", "copy"]["p"]) == (0, 1)


def test_one_model_has_nothing_to_be_compared_with() -> None:
    assert significance_rows({"main": measure(make(), PARAMS)}, own(make()), PARAMS) == []


def test_the_precision_recall_table_has_eleven_falling_points_a_direction() -> None:
    rows = precision_recall_rows(measure(make(), PARAMS))
    assert [row["recall"] for row in rows] == pytest.approx(np.linspace(0, 1, 11))
    for name in ("audio_to_visual", "visual_to_audio"):
        assert (np.diff([row[name] for row in rows]) <= 0).all()
        assert rows[-1][name] >= 1 / 3  # the share of a class in the gallery


def test_one_seed_has_no_spread() -> None:
    assert model_metrics(measure(make(n_seeds=1), PARAMS), own(make(n_seeds=1)))["average"]["map_std"] == 0


def test_chance_is_what_noise_scores() -> None:
    rng, made = np.random.default_rng(1), make()
    noise = [sklearn_map(rng.normal(size=(30, 8)), rng.normal(size=(30, 8)), made.labels) for _ in range(30)]
    assert chance(made, PARAMS)["map"] == pytest.approx(np.mean(noise), abs=0.01)


def test_the_precision_of_chance_is_that_of_the_whole_gallery() -> None:
    made = make(n=7)  # classes of 3, 2 and 2
    everything = precision_scope_rows(made, measure(made, PARAMS.model_copy(update={"scope_sizes": (7,)})), (7,))[0]
    assert chance(made, PARAMS)["precision"] == pytest.approx(everything["audio_to_visual"])
    assert chance(made, PARAMS)["precision"] == pytest.approx((3 * 3 + 2 * 2 + 2 * 2) / 7**2)


def test_the_scope_curve_starts_at_the_share_of_right_first_results_and_stops_at_the_gallery() -> None:
    rows = precision_scope_rows(make(), measure(make(), PARAMS), PARAMS.scope_sizes)
    assert [row["scope"] for row in rows] == [1, 3]
    assert rows[0]["audio_to_visual"] == pytest.approx(
        model_metrics(measure(make(), PARAMS), own(make()))["audio_to_visual"]["recall_at_1"]
    )


def test_class_maps_average_to_the_map() -> None:
    rows = class_map_rows(make(), measure(make(), PARAMS))
    assert [row["class"] for row in rows] == ["cat", "dog", "owl"]
    mean = np.mean([row["visual_to_audio"] for row in rows])  # the classes are of one size
    assert mean == pytest.approx(model_metrics(measure(make(), PARAMS), own(make()))["visual_to_audio"]["map"])


def test_the_confusion_table_holds_every_query_of_both_ways_and_all_seeds() -> None:
    rows = confusion_rows(make(), measure(make(), PARAMS))
    assert len(rows) == 2 * 2 * 30
    right = np.mean([row["actual"] == row["predicted"] for row in rows])
    assert right == pytest.approx(model_metrics(measure(make(), PARAMS), own(make()))["average"]["recall_at_1"])


def write(path: Path, splits: list[str], labels: list[int], classes: list[str]) -> np.ndarray:
    """Embeddings that count up, and the negative of them as the visual ones."""
    audio = np.arange(2.0 * len(splits)).reshape(1, -1, 2)
    ids, places = [str(i) for i in range(len(splits))], np.array(labels)
    made = EmbeddedClips(audio=audio, visual=-audio, labels=places, classes=classes, clip_ids=ids, splits=splits)
    made.save(path)
    return audio


def test_only_test_clips_are_loaded_and_their_classes_in_the_order_of_the_names(tmp_path: Path) -> None:
    write(tmp_path / "e.npz", ["train", "test", "validation", "test"], [0, 2, 0, 1], ["a", "c", "b"])
    made = Embeddings.load(tmp_path / "e.npz")
    assert made.audio.tolist() == [[[2, 3], [6, 7]]]
    assert made.visual.tolist() == [[[-2, -3], [-6, -7]]]
    assert [made.classes[label] for label in made.labels] == ["b", "c"]
    assert made.classes == ["b", "c"]


def test_embeddings_without_a_test_clip_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "e.npz", ["train"], [0], ["a"])
    with pytest.raises(DataError, match=r"e.npz: no clip of the split 'test'"):
        Embeddings.load(tmp_path / "e.npz")


@pytest.mark.parametrize("n_bytes", [0, 100, -10])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, n_bytes: int) -> None:
    write(tmp_path / "e.npz", ["test"], [0], ["a"])
    (tmp_path / "e.npz").write_bytes((tmp_path / "e.npz").read_bytes()[:n_bytes])
    with pytest.raises(DataError, match=r"e.npz.*expected embeddings that the stage `train` wrote"):
        Embeddings.load(tmp_path / "e.npz")


def test_a_file_of_other_arrays_is_named(tmp_path: Path) -> None:
    audio = write(tmp_path / "e.npz", ["test"] * 4, [0] * 4, ["a"])
    with np.load(tmp_path / "e.npz") as file:
        arrays = dict(file)
    write_arrays(tmp_path / "e.npz", arrays | {"visual": audio[:, :3]})
    write_arrays(tmp_path / "numbers.npz", arrays | {"classes": arrays["labels"]})
    write_arrays(tmp_path / "earlier.npz", {"audio": audio, "visual": audio, "labels": np.array(["a"] * 4)})
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    for name in ("e.npz", "numbers.npz", "earlier.npz", "one.npz"):
        with pytest.raises(DataError, match=rf"{name}.*expected embeddings that the stage `train` wrote; `dvc repro`"):
            Embeddings.load(tmp_path / name)


def test_scopes_that_are_all_larger_than_the_gallery_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"scope_sizes: \[31, 500\]; expected one of at most 30, the test clips"):
        measure(make(), PARAMS.model_copy(update={"scope_sizes": (31, 500)}))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"e.npz.*expected embeddings that the stage `train` wrote"):
        Embeddings.load(tmp_path / "e.npz")


def test_the_directions_within_a_modality_are_measured_where_they_are_asked_for() -> None:
    made, across = make(), PARAMS.model_copy(update={"within_modality": False})
    whole, half = measure(made, PARAMS), measure(made, across)
    assert list(whole) == ["audio_to_visual", "visual_to_audio", "audio_to_audio", "visual_to_visual"]
    assert list(half) == ["audio_to_visual", "visual_to_audio"]
    groups = own(made)
    assert model_metrics(half, groups)["average"] == model_metrics(whole, groups)["average"]
    assert chance(made, PARAMS) == {**chance(made, across), "map_within": chance(made, PARAMS)["map_within"]}
    assert "map_within" not in chance(made, across)


@pytest.mark.parametrize(("n_items", "expected"), [(5_000, 4 * 5_000**2), (5_001, 2 * 5_001**2)])
def test_by_itself_a_large_test_split_is_measured_across_the_modalities_only(n_items: int, expected: int) -> None:
    params = PARAMS.model_copy(update={"within_modality": "auto"})
    assert params.n_compared(n_items, 3) == expected
    assert params.looks_within(n_items) == (expected == 4 * n_items**2)


def test_a_draw_of_queries_is_compared_with_all_items() -> None:
    params = PARAMS.model_copy(update={"max_queries": "auto"})
    assert params.n_compared(100_000, 10) == 4 * 4_000 * 100_000
