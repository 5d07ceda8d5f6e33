from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.formats.shards import write_shards
from pipeline.separation.boxes import SoundingBox
from pipeline.separation.locating import LOCATED
from pipeline.separation.measures.heatmaps import (
    SIZE,
    centre_map,
    covered,
    frame_difference,
    iou,
    localisation_of,
    located,
    success_auc,
    synchrony_of,
)
from pipeline.separation.measures.scores import EvaluateSeparationParams
from tests.helpers.talkers import talking_clips

PARAMS = EvaluateSeparationParams(fft=256, window=200, hop=80, taps=32, bootstrap_draws=50, seed=0)
LEFT = SoundingBox(0.0, 0.0, 0.5, 1.0)


def hot(x: float, width: float) -> NDArray[np.float64]:
    """A map that is 1 in a band of columns."""
    return SoundingBox(x, 0.0, width, 1.0).mask(SIZE).astype(float)


@pytest.mark.parametrize(("x", "expected"), [(0.0, 1.0), (0.25, 1 / 3), (0.5, 0.0)])
def test_overlap_is_that_of_bands_of_columns(x: float, expected: float) -> None:
    assert located(hot(x, 0.5), LEFT).iou == pytest.approx(expected)


def test_as_many_pixels_are_shown_as_the_box_has_however_hot_they_are() -> None:
    rising = np.tile(np.arange(8.0), (8, 1))
    assert located(rising, SoundingBox(0.75, 0.0, 0.25, 1.0)).iou == 1.0
    assert located(1e-9 * rising, SoundingBox(0.75, 0.0, 0.25, 1.0)).iou == 1.0


def test_pointing_is_whether_the_hottest_pixel_is_in_the_box_and_a_share_where_several_are() -> None:
    spot = np.zeros((SIZE, SIZE))
    spot[10, 10] = 1
    assert located(spot, LEFT).pointing == 1.0
    assert located(spot.T[::-1, ::-1], LEFT).pointing == 0.0
    assert located(np.ones((4, 4)), SoundingBox(0.0, 0.0, 0.25, 1.0)).pointing == 0.25


def test_the_whole_picture_overlaps_by_the_area_of_the_box() -> None:
    assert covered(LEFT) == (0.5, 0.5)
    assert iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0.0


def test_the_area_under_success_is_the_overlap_of_all_to_half_a_step() -> None:
    assert success_auc([1.0]) == pytest.approx(1.0)
    assert success_auc([0.0]) == pytest.approx(0.025)
    ious = np.random.default_rng(0).uniform(0, 1, 2000).tolist()
    assert success_auc(ious) == pytest.approx(0.5, abs=0.01)


def test_the_difference_of_frames_is_where_a_pixel_changes() -> None:
    film = np.zeros((5, 4, 4, 3), np.uint8)
    film[::2, 1, 2] = 90
    expected = np.zeros((4, 4))
    expected[1, 2] = 90
    np.testing.assert_allclose(frame_difference(film), expected)


def test_the_middle_is_the_hottest_of_the_centre() -> None:
    assert located(centre_map(), SoundingBox(0.4, 0.4, 0.2, 0.2)).pointing == 1.0
    assert located(centre_map(), SoundingBox(0.0, 0.0, 0.2, 0.2)).pointing == 0.0


def test_metrics_have_a_row_for_a_separator_and_for_what_needs_no_model(tmp_path: Path) -> None:
    """One of two seeds is always right, the other one never; another separator locates nothing."""
    clips = talking_clips(tmp_path, 6, "test")
    boxes = {clip.clip_id: LEFT for clip in clips.of_split("test")}
    heat = np.stack([hot(0.0, 0.5), hot(0.5, 0.5)]).astype(np.float32)
    nearer = np.array([[1, 1, 3, 1], [1, 3, 3, 1]], np.float32)
    arrays = {"heat": heat, "aligned": nearer, "shifted": np.full((2, 4), 2, np.float32)}
    write_shards(tmp_path / "separated/seeing" / LOCATED, boxes, lambda _: arrays)
    write_shards(tmp_path / "separated/blind" / LOCATED, [], lambda _: arrays)
    found = localisation_of(["blind", "seeing"], tmp_path / "separated", clips, boxes, PARAMS)
    assert sorted(found) == ["centre", "frame_difference", "seeing", "whole_picture"]
    assert found["seeing"] == {"ciou": 0.5, "margin": 0.0, "auc": 0.5125, "pointing": 0.5, "iou": 0.5, "n_clips": 12}
    assert found["whole_picture"]["ciou"] == 1.0
    assert found["whole_picture"]["pointing"] == 0.5
    ((name, row),) = synchrony_of(["blind", "seeing"], tmp_path / "separated", clips, PARAMS).items()
    assert (name, row) == ("seeing", {"sync_accuracy": 0.625, "margin": 0.0, "n_films": 48, "chance": 0.5})


def test_without_boxes_nothing_is_said(tmp_path: Path) -> None:
    clips = talking_clips(tmp_path, 2, "test")
    assert localisation_of([], tmp_path, clips, {}, PARAMS) == {}
