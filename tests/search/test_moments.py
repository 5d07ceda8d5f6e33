"""Moments: a stretch that was planted is found as a loop over all places finds it, in files too."""

import json

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.search.index import Index
from pipeline.search.moments import TimedRows, moment
from pipeline.search.printing import as_json
from pipeline.search.query import Searcher
from pipeline.search.rows import IndexFacts, IndexRow, to_table
from pipeline.search.store import overwrite
from tests.helpers.media import Sound, write_media
from tests.helpers.search_run import SearchRun

pytestmark = pytest.mark.usefixtures("_elsewhere")
RNG = np.random.default_rng(0)


def unit(n: int) -> np.ndarray:
    rows = RNG.normal(size=(n, 6))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pictures(rows: np.ndarray, first: float = 0.5) -> TimedRows:
    return TimedRows(first + np.arange(len(rows)), rows, 0.5)


def sounds(rows: np.ndarray, first: float = 0.48) -> TimedRows:
    return TimedRows(first + 0.96 * np.arange(len(rows)), rows, 0.48)


def test_a_planted_stretch_is_found_whatever_the_paces_are() -> None:
    rows = unit(30)
    assert moment({"visual": pictures(rows[7:11])}, {"visual": pictures(rows)}) == (7.0, 11.0)
    assert moment({"audio": sounds(rows[7:11])}, {"visual": pictures(rows)}) == (7.0, 11.0)
    assert moment({"audio": sounds(rows[7:11], 40.0)}, {"audio": sounds(rows)}) == pytest.approx((6.72, 10.56))


def test_the_answer_is_the_nearest_place_of_a_loop_over_all_pairs_of_sides() -> None:
    query, seen, heard = unit(3), unit(12), unit(12)
    sums = []
    for start in range(10):
        sums.append(sum(np.linalg.norm(query[k] - rows[start + k]) for rows in (seen, heard) for k in range(3)))
    both = {"visual": pictures(seen), "audio": TimedRows(0.5 + np.arange(12), heard, 0.5)}
    start = float(np.argmin(sums))
    assert moment({"visual": pictures(query)}, both) == (start, start + 3)


def test_a_file_is_searched_as_far_as_it_has_all_sides() -> None:
    rows = unit(12)
    both = {"visual": pictures(rows), "audio": sounds(rows[:4])}
    found = moment({"visual": pictures(rows[8:9])}, both)
    assert found is not None
    assert found[1] <= 4


def test_of_equally_near_places_the_first_is_the_answer_and_a_longer_query_has_none() -> None:
    flat = np.ones((5, 2), np.float32)
    assert moment({"visual": pictures(flat[:2])}, {"visual": pictures(flat)}) == (0.0, 2.0)
    assert moment({"visual": pictures(flat)}, {"visual": pictures(flat[:3])}) is None


@pytest.fixture(scope="module")
def searcher(finished: SearchRun, tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """An index of a sound of twelve seconds, each unlike the others, and of one whose file is gone."""
    folder, encoder = tmp_path_factory.mktemp("noises"), finished.encoder()
    levels = np.repeat(RNG.uniform(0.02, 0.9, 24), 8000)
    waveform = (levels * RNG.uniform(-1, 1, len(levels))).astype(np.float32)
    for name, part in (("long", waveform), ("part", waveform[round(4.8 * 16000) : round(8.7 * 16000)])):
        write_media(folder / f"{name}.wav", Sound(waveform=part[None], sample_rate=16000, codec="pcm_s16le"))
    heard = encoder.embed_audio(folder / "long.wav")
    rows = [IndexRow(i, f"{i}.wav", str(folder), "", 0.0, 11.52, "", "", heard, None) for i in ("gone", "long")]
    facts = IndexFacts(encoder=encoder.fingerprint, model="cca", width=encoder.width, root=str(folder))
    overwrite(str(folder / "index"), to_table(rows, facts))
    return Searcher(Index.open(folder / "index"), encoder)


def test_a_part_of_a_sound_is_found_where_it_was_cut_from(searcher: Searcher) -> None:
    part, where = searcher.index.root / "part.wav", "clip_id = 'long'"
    found, whole = (
        searcher.search(part, "sound", where=where, is_moment=wanted).results[0] for wanted in (True, False)
    )
    assert (found.start, found.end) == pytest.approx((4.8, 8.64))
    assert found._replace(start=0.0, end=11.52) == whole


def test_a_span_of_a_clip_is_found_in_itself_and_a_clip_without_a_file_keeps_its_span(searcher: Searcher) -> None:
    answer = searcher.search("clip:long#t=1.92,3.84", "sound", query_modality="audio", is_moment=True)
    spans = {result.clip_id: (result.start, result.end) for result in answer.results}
    assert spans == {"gone": (0.0, 11.52), "long": pytest.approx((1.92, 3.84))}
    (passed_over,) = json.loads(as_json(answer))["passed_over"]
    assert passed_over.startswith("clip 'gone': ")
    assert passed_over.endswith("gone.wav: No such file or directory; expected its file, to say where in it")


def test_a_result_is_searched_by_the_sides_that_it_has(searcher: Searcher) -> None:
    part = searcher.index.root / "part.wav"
    answer = searcher.search(part, "clip", where="clip_id = 'long'", query_modality="audio", is_moment=True)
    assert (answer.results[0].start, answer.results[0].end) == pytest.approx((4.8, 8.64))
    assert not answer.passed_over


def test_a_query_that_is_as_long_as_a_result_is_all_of_it(searcher: Searcher) -> None:
    answer = searcher.search(searcher.index.root / "long.wav", "sound", where="clip_id = 'long'", is_moment=True)
    assert (answer.results[0].start, answer.results[0].end) == pytest.approx((0.0, 11.52))


def test_a_query_whose_file_is_gone_is_named(searcher: Searcher) -> None:
    with pytest.raises(DataError, match="no such file; expected a file"):
        searcher.search("clip:gone", "sound", query_modality="audio", is_moment=True)
