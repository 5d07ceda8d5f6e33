"""The queries that the gallery shows, against a plain reading of the table by pyarrow."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import DataError
from pipeline.evaluate.model_metrics import measure
from pipeline.evaluate.plot_tables import query_rows
from pipeline.evaluate.query_results import write_results
from pipeline.evaluate.writing import write_csv
from pipeline.formats.csv_rows import read_rows
from pipeline.report import gallery
from pipeline.report.gallery import Gallery, read_gallery
from tests.evaluate.test_model_metrics import PARAMS, make

IDS = [f"clip {i}" for i in range(30)]
LABELS = {clip_id: ("cat", "dog", "owl")[i % 3] for i, clip_id in enumerate(IDS)}


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """The results of a model of two seeds, and its table of queries."""
    made = make()
    measured = measure(made, PARAMS)
    write_csv(tmp_path / "m.csv", query_rows(IDS, measured))
    write_results(tmp_path / "m.parquet", IDS, made, measured, 12)
    return tmp_path


def read(folder: Path) -> Gallery:
    return read_gallery(folder / "m.parquet", read_rows(folder / "m.csv"), LABELS)


def test_the_worst_queries_are_those_of_the_lowest_average_precision(tables: Path) -> None:
    rows = sorted(read_rows(tables / "m.csv"), key=lambda row: float(row["average_precision"]))
    worst = read(tables).worst
    assert len(worst) == 20
    assert [card.average_precision for card in worst] == [float(row["average_precision"]) for row in rows[:20]]
    assert {(card.clip_id, card.direction) for card in worst[:3]} == {
        (row["clip_id"], row["direction"]) for row in rows[:3]
    }


def test_a_card_has_the_first_results_of_the_first_seed(tables: Path) -> None:
    rows = pq.read_table(tables / "m.parquet").to_pylist()
    for card in read(tables).worst:
        own = [
            row for row in rows if (row["seed"], row["direction"], row["clip_id"]) == (0, card.direction, card.clip_id)
        ]
        assert [found.clip_id for found in card.results] == [row["result"] for row in own[:5]]
        assert [found.is_right for found in card.results] == [row["relevant"] for row in own[:5]]
        assert all(found.label == LABELS[found.clip_id] for found in card.results)
        assert [found.is_own for found in card.results] == [row["result"] == card.clip_id for row in own[:5]]
        assert card.first_right == next((row["rank"] for row in own if row["relevant"]), None)


def test_each_class_has_its_best_right_and_its_worst_wrong_query_of_each_direction(tables: Path) -> None:
    rows = pq.read_table(tables / "m.parquet").to_pylist()
    precisions = {(r["direction"], r["clip_id"]): float(r["average_precision"]) for r in read_rows(tables / "m.csv")}
    is_right = {(r["direction"], r["clip_id"]): r["relevant"] for r in reversed(rows) if r["seed"] == 0}
    found = read(tables)
    assert {of.label for of in found.classes} == {"cat", "dog", "owl"}
    for of in found.classes:
        assert of.n_queries == 20
        assert of.n_wrong == sum(not is_right[key] for key in precisions if LABELS[key[1]] == of.label)
        for direction in ("audio_to_visual", "visual_to_audio"):
            keys = [key for key in precisions if key[0] == direction and LABELS[key[1]] == of.label]
            right, wrong = ([precisions[key] for key in keys if is_right[key] == wanted] for wanted in (True, False))
            shown = [card for card in of.cards if card.direction == direction]
            assert [card.average_precision for card in shown if card.is_right] == [max(right)] * bool(right)
            assert [card.average_precision for card in shown if not card.is_right] == [min(wrong)] * bool(wrong)


def test_the_hardest_classes_are_shown_where_there_are_many(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "N_CLASSES", 2)
    precisions: dict[str, list[float]] = {}
    for row in read_rows(tables / "m.csv"):
        precisions.setdefault(LABELS[row["clip_id"]], []).append(float(row["average_precision"]))
    found = read(tables)
    assert [of.label for of in found.classes] == sorted(precisions, key=lambda label: sum(precisions[label]))[:2]
    assert found.n_classes == 3


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1")])
def test_results_that_are_missing_or_damaged_are_named(tables: Path, damage: object) -> None:
    assert callable(damage)
    damage(tables / "m.parquet")
    with pytest.raises(DataError, match=r"m\.parquet: .*; expected results that the stage `evaluate` wrote"):
        read(tables)


def test_results_of_another_run_than_the_queries_are_named(tables: Path) -> None:
    queries = [row | {"clip_id": "other"} for row in read_rows(tables / "m.csv")]
    with pytest.raises(DataError, match=r"m\.parquet: no results of .*other.*; expected those of the same run"):
        read_gallery(tables / "m.parquet", queries, LABELS | {"other": "cat"})
