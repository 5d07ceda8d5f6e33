"""What is measured where relevant is a query's own clip; the oracles rank by hand, and try every order."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError, ParamsError
from pipeline.evaluate import metrics_json
from pipeline.evaluate.independence import Groups
from pipeline.evaluate.model_metrics import measure, model_metrics
from pipeline.evaluate.plot_tables import class_map_rows, confusion_rows
from pipeline.evaluate.relevance import by_class, by_clip, chosen_relevance, clip_chance
from pipeline.evaluate.results import Results, measure_all
from pipeline.formats.embeddings import UNLABELLED, EmbeddedClips, Embeddings
from tests.evaluate.test_model_metrics import PARAMS, make
from tests.helpers.cosines import exact_cosines

N = 30


def groups(**same: list[int]) -> Groups:
    """Groups of N clips, of which those that are listed share their sound, picture, file or source."""
    relations = {}
    for name in ("sounds", "pictures", "files", "sources"):
        relations[name] = [f"{name} {min(same[name]) if i in same.get(name, []) else i}" for i in range(N)]
    return Groups.of(relations)


def bare(made: Embeddings) -> Embeddings:
    return replace(made, labels=np.zeros(N, np.int64), classes=[UNLABELLED])


def ranks_by_hand(query: np.ndarray, gallery: np.ndarray, relevant: np.ndarray) -> list[int]:
    """The rank of each query's best relevant item; no cosines tie here."""
    return [
        1 + int((scores > scores[hits].max()).sum())
        for scores, hits in zip(exact_cosines(query, gallery), relevant, strict=True)
    ]


@pytest.mark.parametrize("same", [{}, {"sounds": [2, 7]}, {"pictures": [0, 4, 9], "sounds": [9, 20]}])
def test_the_own_clip_is_relevant_and_what_has_its_sound_or_picture(same: dict[str, list[int]]) -> None:
    made, relevant = bare(make()), np.eye(N, dtype=bool)
    linked = sorted({i for of in same.values() for i in of})
    relevant[np.ix_(linked, linked)] = True
    linked_otherwise = {"sources": list(range(N)), "files": list(range(N))}
    found = measure(by_clip(made, groups(**same, **linked_otherwise)), PARAMS)
    metrics = model_metrics(found, groups(), "mrr")
    seeds = zip(made.audio, made.visual, strict=True)
    ranks = np.array([[ranks_by_hand(a, v, relevant), ranks_by_hand(v, a, relevant)] for a, v in seeds])
    for way, of_way in zip(("audio_to_visual", "visual_to_audio"), ranks.transpose(1, 0, 2), strict=True):
        assert metrics[way]["mrr"] == pytest.approx(np.mean(1 / of_way))
        assert metrics[way]["recall_at_5"] == pytest.approx(np.mean(of_way <= 5))
        assert metrics[way]["median_rank"] == pytest.approx(np.mean(np.median(of_way, axis=1)))
    by_seed = np.mean(1 / ranks, axis=(1, 2))
    assert metrics["average"]["mrr_std"] == pytest.approx(np.std(by_seed, ddof=1))
    assert metrics.keys() == {"audio_to_visual", "visual_to_audio", "average"}  # nothing within a modality


@pytest.mark.parametrize("sizes", [[1, 1, 1, 1, 1], [2, 1, 1, 1], [3, 2]])
def test_chance_is_the_mean_over_every_order_of_the_gallery(sizes: list[int]) -> None:
    own = np.repeat(np.arange(len(sizes)), sizes)
    nothing = np.zeros((1, 5, 2), np.float32)
    found = clip_chance(Embeddings(nothing, nothing, own * 0, [UNLABELLED], own), (1, 3))
    firsts = [[1 + np.flatnonzero(own[list(order)] == query)[0] for order in permutations(range(5))] for query in own]
    first_ranks = np.array(firsts)  # (query, order)
    assert found["mrr"] == pytest.approx(np.mean(1 / first_ranks))
    assert found["recall_at_1"] == pytest.approx(np.mean(first_ranks == 1))
    assert found["precision"] == pytest.approx(found["recall_at_1"])
    assert found["recall_at_3"] == pytest.approx(np.mean(first_ranks <= 3))
    assert found["median_rank"] == pytest.approx(np.median(first_ranks.mean(axis=1)))


def saved(folder: Path, labels: np.ndarray, names: tuple[str, ...] = ("one", "other")) -> np.ndarray:
    """Embeddings of two models, and of a third one that the stage `train` left out; all clips are test."""
    made = make()
    facts = {"classes": made.classes, "clip_ids": [f"{i}" for i in range(N)], "splits": ["test"] * N}
    for number, name in enumerate(names):
        visual = np.roll(made.visual, number, axis=0)
        EmbeddedClips(audio=made.audio, visual=visual, labels=labels, **facts).save(folder / f"{name}.npz")
    nothing = np.zeros((0, N, 0), np.float32)
    EmbeddedClips(audio=nothing, visual=nothing, labels=labels, **facts).save(folder / "left.npz")
    return labels


def measured(folder: Path, relevance: str = "auto") -> Results:
    params = PARAMS.model_copy(update={"relevance": relevance})
    return measure_all(folder, ["left", "one", "other"], groups(), params)


def test_without_labels_models_are_ranked_by_their_own_clips_and_those_left_out_are_not_there(tmp_path: Path) -> None:
    saved(tmp_path, np.full(N, -1))
    results = measured(tmp_path)
    assert results.relevance == "clip"
    assert list(results.metrics) == ["one", "other"]
    numbers = metrics_json.of_model(results.metrics["one"], "clip")
    assert list(numbers["audio_to_visual"]) == ["mrr", "recall_at_1", "recall_at_5", "median_rank"]
    assert {"mrr_margin", "mrr_std", "mrr_within_std"} < numbers["average"].keys()
    (row,) = results.significance
    mrr = [results.metrics[name]["average"]["mrr"] for name in ("one", "other")]
    assert row["difference"] == pytest.approx(mrr[0] - mrr[1])


def test_clips_without_a_label_are_neither_queries_nor_items_where_relevant_is_the_class(tmp_path: Path) -> None:
    labels = saved(tmp_path, np.where(np.arange(N) % 4 == 0, -1, make().labels))
    results, rows = measured(tmp_path), np.flatnonzero(labels >= 0)
    assert results.relevance == "class"
    assert results.rows.tolist() == rows.tolist()
    alone = make().rows(rows)
    assert results.metrics["one"] == model_metrics(measure(alone, PARAMS), groups().of_rows(rows))
    assert results.groups.numbers.tolist() == list(range(len(rows)))


def test_both_puts_the_numbers_of_the_own_clip_beside_those_of_the_class(tmp_path: Path) -> None:
    saved(tmp_path, make().labels)
    both, by_class_alone, by_clip_alone = (measured(tmp_path, asked) for asked in ("both", "class", "clip"))
    numbers = metrics_json.of_model(both.metrics["one"])
    of_class, of_clip = by_class_alone.metrics["one"]["average"], by_clip_alone.metrics["one"]["average"]
    assert numbers["average"]["map"] == of_class["map"]
    assert numbers["average"]["mrr"] == of_class["mrr"]
    for name in ("mrr", "recall_at_1", "recall_at_5", "median_rank"):
        assert numbers["average"][f"clip_{name}"] == of_clip[name]
        assert both.chance[f"clip_{name}"] == by_clip_alone.chance[name]


def test_classes_are_refused_where_no_test_clip_has_one() -> None:
    with pytest.raises(ParamsError, match=r"evaluate.relevance=both: no test clip has a label; expected auto or clip"):
        chosen_relevance("both", bare(make()))
    assert chosen_relevance("clip", make()) == ("clip",)


def test_a_run_of_models_that_were_all_left_out_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, np.full(N, -1), ())
    with pytest.raises(
        DataError, match=r"models left: all were left out by the stage `train`; expected one that is fitted"
    ):
        measure_all(tmp_path, ["left"], groups(), PARAMS)


def test_the_tables_of_classes_have_one_row_and_say_whether_the_own_clip_is_nearest() -> None:
    made = by_clip(bare(make(n_seeds=1)), groups())
    found = measure(made, PARAMS)
    (row,) = class_map_rows(made, found)
    assert row["audio_to_visual"] == pytest.approx(found["audio_to_visual"].scalars["mrr"].mean())
    answers = [row["predicted"] == "own clip" for row in confusion_rows(made, found)]
    assert np.mean(answers) == pytest.approx(model_metrics(found, groups(), "mrr")["average"]["recall_at_1"])


def test_labels_that_are_known_stay_where_relevant_is_the_own_clip() -> None:
    some = replace(make(), labels=np.arange(N) % 4, classes=[*make().classes, UNLABELLED])
    assert by_clip(some, groups()).classes == some.classes
    assert by_class(some).classes == make().classes
    assert set(by_class(some).labels.tolist()) == {0, 1, 2}
