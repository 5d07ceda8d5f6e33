"""The section about events: its table has the numbers of localisation.json, and without events a line says so."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from pipeline.report.moments import moments, read_localisation
from tests.helpers.report_run import NOTHING_LOCATED, Run

WAYS = ("audio_to_visual", "visual_to_audio", "average")


def scores(exact_start: float) -> dict[str, dict[str, float]]:
    numbers = {"exact_start": exact_start, "start_mrr": exact_start + 0.1, "segment_mrr": exact_start + 0.2}
    return {way: {name: value + 0.01 * k for name, value in numbers.items()} for k, way in enumerate(WAYS)}


LOCATED: dict[str, Any] = {
    "n_clips": 12,
    "n_events": 10,
    "models": {"main": scores(0.3), "ms_vae": scores(0.5)},
    "own_distance": {"ms_vae": {"latent": scores(0.1), "own": scores(0.4)}},
    "chance": scores(0.2),
}


def test_the_models_stand_best_first_and_an_own_distance_has_a_row(tmp_path: Path) -> None:
    page = Run(tmp_path, {"main": 1.0}, localisation=LOCATED).page
    heads, *rows, chance = page.table("located by")
    assert heads[1:] == [
        f"{word}, {way}"
        for word in ("exact start", "reciprocal rank of the start", "reciprocal rank of a segment")
        for way in ("sound to video", "video to sound")
    ]
    assert [row[0] for row in rows] == ["ms_vae", "ms_vae, own distance", "main"]
    assert rows[2][1:] == ["0.300", "0.310", "0.400", "0.410", "0.500", "0.510"]
    assert rows[1][1] == "0.400"
    assert chance[:3] == ["chance", "0.200", "0.210"]
    assert "12 test clips have an event with times, 10 of them one that could be elsewhere" in page.text


def test_what_was_not_measured_has_no_column() -> None:
    without = copy.deepcopy(LOCATED)
    for found in (*without["models"].values(), without["chance"], *without["own_distance"]["ms_vae"].values()):
        for way in WAYS:
            del found[way]["segment_mrr"]
    found = moments(without)
    assert found is not None
    assert [name for name, _ in found.columns] == ["exact_start", "exact_start", "start_mrr", "start_mrr"]


def test_without_events_a_line_says_so(tmp_path: Path) -> None:
    page = Run(tmp_path, {"main": 1.0}).page
    assert "Not measured: no test clip has the times of an event." in page.text
    assert moments(NOTHING_LOCATED) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps(LOCATED | {"models": {"main": {}}})])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "localisation.json"
    path.write_text(text)
    expected = r"localisation\.json: .*; expected a localisation\.json that the stage `localise` wrote"
    with pytest.raises(DataError, match=expected):
        read_localisation(path)
