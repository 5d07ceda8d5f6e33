"""Run and qrels files as ir_measures, and so trec_eval, reads them."""

import gzip
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from ir_measures import AP

from pipeline.evaluate import trec
from pipeline.evaluate.model_metrics import Measured, measure, model_metrics
from pipeline.formats.embeddings import Embeddings
from tests.evaluate.test_model_metrics import PARAMS, make, own

IDS = [f"clip {i}.mp4" for i in range(30)]
WAYS = ("audio_to_visual", "visual_to_audio")


def write(folder: Path, made: Embeddings, ids: list[str] = IDS, max_rows: int = 10**6) -> Measured:
    measured = measure(made, PARAMS)
    assert trec.write_runs(folder, "m", ids, made, measured, max_rows)
    trec.write_qrels(folder, ids, made, measured)
    return measured


def read_maps(folder: Path, way: str) -> list[float]:
    """The MAP of each seed as ir_measures has it."""
    qrels = list(ir_measures.read_trec_qrels(str(folder / "qrels.txt")))
    files = sorted((folder / "m").glob(f"{way}-*.txt.gz"))
    return [ir_measures.calc_aggregate([AP], qrels, ir_measures.read_trec_run(str(file)))[AP] for file in files]


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_ir_measures_finds_the_map_of_this_project(n_seeds: int, tmp_path: Path) -> None:
    made = make(n_seeds)
    metrics = model_metrics(write(tmp_path, made), own(made))
    for way in WAYS:
        maps = read_maps(tmp_path, way)
        assert len(maps) == n_seeds
        assert np.mean(maps) == pytest.approx(metrics[way]["map"], abs=1e-6)


def test_scores_that_only_32_bits_would_tie_do_not_tie(tmp_path: Path) -> None:
    """The cosines of all items with a query are 1 within 1e-9, each another one."""
    labels = np.arange(30) % 3
    angles = 1e-5 * np.random.default_rng(0).permutation(np.arange(1, 31)).astype(float)
    visual = np.stack([np.cos(angles), np.sin(angles)], axis=1)[None]
    made = Embeddings(np.tile([1.0, 0.0], (1, 30, 1)), visual, labels, ["a", "b", "c"])
    cosines = np.cos(angles)
    assert len(set(cosines)) == 30 > len(set(cosines.astype(np.float32)))
    metrics = model_metrics(write(tmp_path, made), own(made))
    assert read_maps(tmp_path, "audio_to_visual") == pytest.approx([metrics["audio_to_visual"]["map"]], abs=1e-6)


def test_tied_items_have_one_score_and_programs_of_trec_choose_an_order_of_theirs(tmp_path: Path) -> None:
    """Of four tied items two are relevant: this project's number, and that of any order of the names."""
    tied = Embeddings(np.ones((1, 4, 2)), np.ones((1, 4, 2)), np.array([0, 0, 1, 1]), ["a", "b"])
    maps = []
    for number, names in enumerate(permutations("wxyz")):
        folder = tmp_path / str(number)
        params = PARAMS.model_copy(update={"scope_sizes": (1,)})
        measured = measure(tied, params)
        trec.write_runs(folder, "m", names, tied, measured, 1000)
        trec.write_qrels(folder, names, tied, measured)
        lines = gzip.decompress((folder / "m/audio_to_visual-0.txt.gz").read_bytes()).decode().splitlines()
        assert {line.split()[4] for line in lines} == {"4"}
        assert measured["audio_to_visual"].scalars["map"].tolist() == [[0.5] * 4]
        maps += read_maps(folder, "audio_to_visual")
    pairs, alternating = (1 + (1 / 3 + 2 / 4) / 2) / 2, ((1 + 2 / 3) / 2 + (1 / 2 + 2 / 4) / 2) / 2
    assert (min(maps), max(maps)) == pytest.approx((alternating, pairs), abs=1e-6)


@pytest.mark.parametrize("name", ["a b\tc\u2028d.mp4", "100%.mp4", "guitar 🎸", "\x85x", "ein/zwei\rdrei"])
def test_any_name_is_one_word(name: str, tmp_path: Path) -> None:
    ids = [name, *IDS[1:]]
    made = make(1)
    metrics = model_metrics(write(tmp_path, made, ids), own(made))
    assert read_maps(tmp_path, "visual_to_audio") == pytest.approx([metrics["visual_to_audio"]["map"]], abs=1e-6)
    assert len(trec.trec_name(name).split()) == 1
    assert trec.trec_name(name).isascii()


def test_rankings_that_are_too_long_are_not_written(tmp_path: Path) -> None:
    made, measured = make(), measure(make(), PARAMS)
    assert trec.n_rows(made, measured) == 2 * 2 * 30 * 30
    assert not trec.write_runs(tmp_path, "m", IDS, made, measured, 2 * 2 * 30 * 30 - 1)
    assert list(tmp_path.iterdir()) == []
    assert trec.write_runs(tmp_path, "m", IDS, made, measured, 2 * 2 * 30 * 30)


def test_equal_rankings_give_equal_bytes(tmp_path: Path) -> None:
    made = make(1)
    write(tmp_path / "a", made)
    write(tmp_path / "b", replace(made, audio=made.audio * np.float32(2)))
    for file in sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*")):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
