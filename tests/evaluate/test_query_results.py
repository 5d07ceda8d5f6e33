"""The table of results as pyarrow reads it, against scikit-learn's cosines and average precision."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score

from pipeline.evaluate.model_metrics import measure
from pipeline.evaluate.query_results import write_results
from pipeline.formats.embeddings import Embeddings
from tests.evaluate.test_model_metrics import PARAMS, make
from tests.helpers.cosines import exact_cosines

IDS = [f"clip {i}" for i in range(30)]


def written(folder: Path, made: Embeddings, n_kept: int, ids: list[str] = IDS, **changes: object) -> list[dict]:
    path = folder / "queries" / "m.parquet"
    write_results(path, ids, made, measure(made, PARAMS.model_copy(update=changes)), n_kept)
    rows: list[dict] = pq.read_table(path).to_pylist()
    return rows


def test_a_row_says_what_scikit_learn_says(tmp_path: Path) -> None:
    made = make()
    rows = written(tmp_path, made, 4)
    assert len(rows) == 2 * 2 * 30 * 4
    assert list(rows[0]) == ["seed", "direction", "clip_id", "rank", "result", "score", "relevant"]
    cosines = exact_cosines(made.visual[1], made.audio[1])
    of_one = [row for row in rows if (row["seed"], row["direction"], row["clip_id"]) == (1, "visual_to_audio", IDS[8])]
    order = np.argsort(-cosines[8])[:4]
    assert [row["result"] for row in of_one] == [IDS[item] for item in order]
    assert [row["rank"] for row in of_one] == [1, 2, 3, 4]
    assert [row["score"] for row in of_one] == pytest.approx(cosines[8, order], abs=1e-6)
    assert [row["relevant"] for row in of_one] == [item % 3 == 8 % 3 for item in order]


def test_of_a_gallery_that_is_kept_whole_every_average_precision_follows(tmp_path: Path) -> None:
    made = make(n_seeds=1)
    expected = measure(made, PARAMS)["audio_to_visual"].scalars["map"][0]
    rows = [row for row in written(tmp_path, made, 100) if row["direction"] == "audio_to_visual"]
    for clip_id, precision in zip(IDS, expected, strict=True):
        of_one = [row for row in rows if row["clip_id"] == clip_id]
        relevant, ranks = [row["relevant"] for row in of_one], [row["rank"] for row in of_one]
        assert average_precision_score(relevant, -np.array(ranks)) == pytest.approx(precision)


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    made = make()
    written(tmp_path / "a", made, 7)
    written(tmp_path / "b", made, 7)
    assert (tmp_path / "a/queries/m.parquet").read_bytes() == (tmp_path / "b/queries/m.parquet").read_bytes()


def test_the_queries_are_those_that_are_drawn_and_odd_names_stay_as_they_are(tmp_path: Path) -> None:
    ids = ["a\rb", "<b>", "=1+1", "guitar 🎸", *IDS[4:]]
    rows = written(tmp_path, make(), 3, ids, max_queries=9)
    assert len({row["clip_id"] for row in rows}) == 9
    assert {row["result"] for row in rows} <= set(ids)
    assert {row["result"] for row in written(tmp_path, make(), 30, ids)} == set(ids)
