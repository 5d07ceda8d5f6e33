"""The map of the common space: places keep their distances, and much is thinned out."""

import numpy as np
import pytest

from pipeline.report.scatter import HEIGHT, MARGIN, N_CLIPS, N_COLOURS, WIDTH, scatter


def rows(places: "np.ndarray", labels: list[str]) -> list[dict[str, str]]:
    names = ("audio_x", "audio_y", "visual_x", "visual_y")
    return [
        {"clip_id": f"clip {i}", "class": label, **dict(zip(names, map(str, of_clip), strict=True))}
        for i, (label, of_clip) in enumerate(zip(labels, places.tolist(), strict=True))
    ]


def test_the_picture_keeps_distances_and_turns_up_upwards() -> None:
    places = np.random.default_rng(0).normal(size=(20, 4))
    points = scatter(rows(places, ["a"] * 20), (0.5, 0.2)).points
    drawn = np.array([[point.x, -point.y] for point in points])
    given = places.reshape(-1, 2)
    ratios = np.linalg.norm(drawn[1:] - drawn[0], axis=1) / np.linalg.norm(given[1:] - given[0], axis=1)
    assert ratios == pytest.approx(ratios[0], rel=0.01)
    assert [point.half for point in points[:2]] == ["sound", "video"]
    assert MARGIN - 0.1 <= drawn[:, 0].min() <= drawn[:, 0].max() <= WIDTH - MARGIN + 0.1
    assert MARGIN - 0.1 <= -drawn[:, 1].max() <= -drawn[:, 1].min() <= HEIGHT - MARGIN + 0.1


def test_the_largest_classes_have_a_colour_each_and_the_others_are_counted() -> None:
    labels = [name for number in range(15) for name in [f"class {number:02}"] * (2 if number >= 5 else 1)]
    found = scatter(rows(np.zeros((25, 4)), labels), (0, 0))
    assert found.classes == [f"class {number:02}" for number in range(5, 15)]
    assert (len(found.classes), found.n_others) == (N_COLOURS, 5)
    assert {point.colour for point in found.points if point.label == "class 07"} == {2}
    assert {point.colour for point in found.points if point.label == "class 00"} == {None}


@pytest.mark.parametrize(("n_clips", "n_drawn"), [(0, 0), (1, 1), (N_CLIPS, N_CLIPS), (N_CLIPS + 1, N_CLIPS // 2 + 1)])
def test_of_many_clips_every_so_many_are_drawn(n_clips: int, n_drawn: int) -> None:
    found = scatter(rows(np.ones((n_clips, 4)), ["a"] * n_clips), (0, 0))
    assert (len(found.points), found.n_clips) == (2 * n_drawn, n_clips)
