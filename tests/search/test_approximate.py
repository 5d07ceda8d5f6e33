"""The approximate search of a large index: its recall is that of a count by hand, and a poor one is not used."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.search import approximate
from pipeline.search.approximate import Approximation, approximations
from pipeline.search.index import Index, Probe
from pipeline.search.rows import IndexRow
from pipeline.search.store import open_table
from pipeline.search.writing import add_rows
from tests.helpers.search_run import facts_for, random_rows, write_index

N_ROWS, WIDTH = 3000, 16


def clustered_rows() -> list[IndexRow]:
    """Rows around thirty centres, every tenth without sound."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(30, WIDTH))
    rows = random_rows(N_ROWS, WIDTH)
    vectors = [(centres[k % 30] + rng.normal(0, 0.4, (2, WIDTH))).astype(np.float32) for k in range(N_ROWS)]
    return [
        row._replace(audio=None if k % 10 == 9 else of[0], visual=of[1])
        for k, (row, of) in enumerate(zip(rows, vectors, strict=True))
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_index(tmp_path_factory.mktemp("index"), clustered_rows(), WIDTH)


def test_a_small_index_stays_exact(folder: str) -> None:
    assert approximate.approximate(folder) == []
    assert approximations(open_table(folder)) == {}


def test_recall_is_measured_said_and_kept_and_results_are_the_exact_ones(folder: str) -> None:
    lines = approximate.approximate(folder, most_rows_exact=1000)
    assert [line.partition(":")[0] for line in lines] == ["audio", "visual"]
    settings, index = approximations(open_table(folder)), Index.open(folder)
    for modality, line in zip(settings, lines, strict=True):
        assert f"recall@10 {settings[modality].recall:.4f} against exact search, of 100 queries" in line
        assert settings[modality].recall >= 0.99
        rows = [row for row in clustered_rows() if getattr(row, modality) is not None]
        matrix = np.stack([getattr(row, modality) for row in rows]).astype(np.float64)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        n_found = 0
        for query in np.random.default_rng(1).normal(size=(20, WIDTH)):
            expected = {rows[place].clip_id for place in np.argsort(-(matrix @ query))[:10]}
            found = index.query(query, modality, 10, None)
            exact = index.compare([Probe(query, modality)], 10, is_exact=True)
            assert {result.clip_id for result in exact} == expected
            n_found += len({result.clip_id for result in found} & expected)
            assert [result.score for result in found] == sorted((result.score for result in found), reverse=True)
        assert n_found >= 190
    new = random_rows(1, WIDTH, seed=5)[0]._replace(clip_id="new", path="new.mp4")
    add_rows(folder, facts_for(WIDTH), [new])
    assert new.audio is not None
    assert index.query(new.audio, "audio", 1, None)[0].clip_id == "new"
    assert approximations(open_table(folder)) == settings
    assert approximate.approximate(folder, most_rows_exact=1000) == []  # as each `avr index add` asks


def test_an_index_that_finds_too_little_is_not_used(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approximate, "TRIED", ((1, 1),))
    own = write_index(tmp_path, clustered_rows(), WIDTH)
    monkeypatch.setattr(approximate, "ROWS_PER_PARTITION", 30)
    monkeypatch.setattr(approximate, "NUMBERS_PER_CODE", 16)
    lines = approximate.approximate(own, most_rows_exact=1000)
    assert all("the search stays exact: IVF-PQ reaches recall@10 0." in line for line in lines)
    assert approximations(open_table(own)) == {}
    assert list(open_table(own).list_indices()) == []
    assert approximate.approximate(own, most_rows_exact=1000) == []  # what took minutes in vain is not tried again


def test_what_is_noted_comes_back() -> None:
    settings = Approximation(20, 10, 0.995)
    assert Approximation(**json.loads(json.dumps(settings._asdict()))) == settings
