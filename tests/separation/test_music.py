"""The task `music` from films to metrics.json, on a few players: its rows, where they sound, and when."""

import pytest

from tests.helpers.separation import SMALL, Separation

BASE = ["mixture", "ideal_binary_mask", "ideal_ratio_mask", "ideal_complex_mask"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Separation:
    folder, cache = tmp_path_factory.mktemp("separation") / "run", tmp_path_factory.mktemp("cache")
    separation = Separation(folder, cache, task="music")
    separation.run()
    return separation


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_metrics_have_every_row_of_amnet_by_kind_of_mixture(finished: Separation) -> None:
    rows = finished.metrics()["rows"]
    amnet = ["amnet", *(f"amnet_{way}" for way in ("swapped", "still", "blank", "appearance", "thresholded"))]
    assert sorted(rows) == sorted([*BASE, *amnet, "audio_only"])
    assert {row["n_mixtures"] for row in rows.values()} == {SMALL["mixtures"]["n_test"]}
    kinds = {"same_label", "different_label"}
    assert all(kinds <= row["by_kind"].keys() for row in rows.values())
    assert {"sdr", "sir", "sar"} <= rows["amnet_appearance"].keys()
    assert "sdr" not in rows["amnet_swapped"]
    assert {"appearance", "thresholded", "audio_only"} == {
        name.removeprefix("amnet_") for name in finished.metrics()["comparisons"]["amnet"]
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_metrics_say_where_and_when_players_are_heard_beside_what_needs_no_model(finished: Separation) -> None:
    metrics = finished.metrics()
    assert metrics["dataset"]["n_clips"] == 48
    assert sorted(metrics["localisation"]) == ["amnet", "centre", "frame_difference", "whole_picture"]
    assert {row["n_clips"] for row in metrics["localisation"].values()} == {12}
    assert metrics["localisation"]["whole_picture"]["ciou"] == 0
    assert 0.1 < metrics["localisation"]["whole_picture"]["pointing"] < 0.5
    assert metrics["synchrony"]["amnet"]["n_films"] == 12 * 2
    assert "matching" not in metrics
