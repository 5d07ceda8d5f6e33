from pathlib import Path

import numpy as np
import pytest

from pipeline.formats.shards import write_shards
from pipeline.separation.material import Material
from pipeline.separation.measures.comparison import comparisons
from pipeline.separation.measures.scores import EvaluateSeparationParams, SourceScore
from pipeline.separation.measures.separated import pairs_of_rows
from pipeline.separation.measures.silence import silence_of
from pipeline.separation.mixtures import Mixture, Segment
from tests.helpers.talkers import talking_clips

PARAMS = EvaluateSeparationParams(fft=256, window=200, hop=80, taps=64, bootstrap_draws=4000, seed=0)
N_PEOPLE = 8


def scores_of(row: str, gains: list[float]) -> list[SourceScore]:
    """Everybody speaks with the next person, and has a score of 1 and what the row gains for this person."""
    pairs = [(k, (k + 1) % N_PEOPLE) for k in range(N_PEOPLE)]
    return [
        SourceScore(row, f"m-{k}", i, (f"p{pair[i]}", f"p{pair[1 - i]}"), (), {"si_sdr": 1 + gains[pair[i]]}, ())
        for k, pair in enumerate(pairs)
        for i in range(2)
    ]


def test_a_row_that_gains_for_everybody_is_better_by_the_exact_p_value_of_all_signs() -> None:
    gains = [1.0] * 4 + [2.0] * 4
    found = comparisons([*scores_of("a", gains), *scores_of("b", [0.0] * 8)], [("a", "b"), ("a", "c")], PARAMS)
    assert list(found) == ["a"]
    assert list(found["a"]) == ["b"]
    assert found["a"]["b"]["difference"] == pytest.approx(1.5)
    assert found["a"]["b"]["n_people"] == 8
    assert 0.1 < found["a"]["b"]["margin"] < 0.6
    assert found["a"]["b"]["p_value"] == pytest.approx(2 / 2**8, abs=0.005)


def test_gains_and_losses_that_cancel_are_no_difference() -> None:
    found = comparisons([*scores_of("a", [1.0, -1.0] * 4), *scores_of("b", [0.0] * 8)], [("a", "b")], PARAMS)
    assert found["a"]["b"]["difference"] == pytest.approx(0)
    assert found["a"]["b"]["p_value"] == 1


def test_what_sees_is_compared_with_what_does_not_and_with_itself_without_the_face() -> None:
    assert pairs_of_rows(["audio_only", "visualvoice"]) == [
        ("visualvoice", "audio_only"),
        ("visualvoice_blank", "audio_only"),
        ("visualvoice", "visualvoice_lips"),
        ("visualvoice_unreliable_lips", "visualvoice_unreliable_lips_alone"),
    ]


def test_the_level_of_silence_is_a_mean_over_seeds_and_mixtures(tmp_path: Path) -> None:
    clips = talking_clips(tmp_path, 2, "test", 1.0)
    parts = (Segment("p0/0.mp4", 0.0, 1.0), Segment("p1/0.mp4", 0.0, 1.0))
    mixtures = [Mixture(name, "test", "any", 1.0, parts) for name in ("m-1", "m-2")]
    levels = {"m-1": np.array([-10, -20], np.float32), "m-2": np.array([-30, -40], np.float32)}
    write_shards(tmp_path / "seeing", levels, lambda name: {"silent_db": levels[name]})
    found = silence_of(["seeing"], tmp_path, Material(clips, mixtures), PARAMS)
    assert found == {"seeing": {"silent_target_db": -25.0, "n_mixtures": 2}}
