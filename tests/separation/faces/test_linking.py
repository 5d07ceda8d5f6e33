import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.separation.faces.linking import link_faces, overlaps


def at(*boxes: tuple[float, ...]) -> NDArray[np.float64]:
    return np.array(boxes, np.float64).reshape(-1, 4)


def test_overlap_is_the_share_of_pixels() -> None:
    rng = np.random.default_rng(0)
    boxes = rng.integers(1, 12, (2, 5, 4))
    painted = np.zeros((2, 5, 24, 24), bool)
    for which, k in np.ndindex(2, 5):
        left, top, width, height = boxes[which, k]
        painted[which, k, top : top + height, left : left + width] = True
    first, second = painted[0][:, None], painted[1][None]
    shares = (first & second).sum(axis=(2, 3)) / (first | second).sum(axis=(2, 3))
    np.testing.assert_allclose(overlaps(*boxes.astype(np.float64)), shares)


def test_faces_that_pass_each_other_keep_their_own_boxes_in_any_order() -> None:
    times = np.arange(20) / 5
    left, right = (lambda t: (10 + 20 * t, 10.0, 40.0, 40.0)), (lambda t: (90 - 20 * t, 35.0, 40.0, 40.0))
    pictures = [(t, at(left(t), right(t)) if k % 2 else at(right(t), left(t))) for k, t in enumerate(times)]
    first, second = sorted(link_faces(pictures), key=lambda face: face.boxes[0, 0])
    np.testing.assert_allclose(first.boxes, [left(t) for t in times])
    np.testing.assert_allclose(second.boxes, [right(t) for t in times])
    np.testing.assert_array_equal(first.seconds, times)


def test_the_sum_of_overlaps_decides_and_not_the_first_box() -> None:
    """The left box overlaps both faces best, but then the other face would be lost."""
    before = at((0, 0, 40, 40), (16, 0, 40, 40))
    after = at((12, 0, 40, 40), (28, 0, 40, 40))
    pictures = [(0.0, before), (0.5, after), (1.0, after)]
    assert [face.boxes[:, 0].tolist() for face in link_faces(pictures)] == [[0, 12, 12], [16, 28, 28]]


@pytest.mark.parametrize(("gap", "n_rows"), [(1.0, [4]), (1.2, [])], ids=["a second", "more"])
def test_a_face_may_be_missed_for_a_second(gap: float, n_rows: list[int]) -> None:
    box = at((5, 5, 30, 30))
    times = [0.0, 0.4, 0.4 + gap, 0.8 + gap]
    empty = [(time, at()) for time in (0.6, 0.8)]
    pictures = sorted([(time, box) for time in times] + empty, key=lambda pair: pair[0])
    assert [len(face.seconds) for face in link_faces(pictures)] == n_rows


def test_what_is_seen_for_less_than_a_second_is_no_face() -> None:
    flash, face = (5.0, 5.0, 30.0, 30.0), (60.0, 5.0, 30.0, 30.0)
    pictures = [(k / 5, at(face, flash) if k < 5 else at(face)) for k in range(8)]
    (found,) = link_faces(pictures)
    assert found.boxes[:, 0].tolist() == [60.0] * 8
    assert link_faces([]) == []


def test_a_box_that_leaps_away_is_another_face() -> None:
    pictures = [(k / 5, at((5.0 if k < 8 else 50.0, 5.0, 30.0, 30.0))) for k in range(16)]
    assert [face.boxes[0, 0] for face in link_faces(pictures)] == [5.0, 50.0]
