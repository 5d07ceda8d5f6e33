import colorsys

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.scenes.bodies import Scene, make_body, make_bystander, make_scene

WAVE = 0.5 - 0.5 * np.cos(np.arange(40))
STILL = np.zeros(40)


def scene(player: NDArray[np.float64], bystander: NDArray[np.float64], seed: int = 0, size: int = 48) -> Scene:
    rng = np.random.default_rng(seed)
    bodies = (make_body(seed % 6, 6, 0.0, rng), make_bystander(rng))
    made = make_scene(bodies, (player, bystander), size, 0.0, rng)
    assert (made.pictures.shape, made.pictures.dtype) == ((40, size, size, 3), np.uint8)
    return made


def changes(made: Scene) -> NDArray[np.float64]:
    """How much each pixel changes from picture to picture, above what noise does."""
    steps = np.abs(np.diff(made.pictures.astype(float), axis=0)).mean(axis=(0, 3))
    return np.where(steps > 8, steps, 0)


def inside(made: Scene) -> NDArray[np.bool_]:
    axis = (np.arange(48) + 0.5) / 48
    columns = (axis > made.box.x) & (axis < made.box.x + made.box.width)
    rows = (axis > made.box.y) & (axis < made.box.y + made.box.height)
    return rows[:, None] & columns[None, :]


def test_the_box_holds_all_that_moves_of_the_player_and_nothing_of_the_bystander() -> None:
    for seed in range(6):
        alone, other = scene(WAVE, STILL, seed), scene(STILL, WAVE, seed)
        assert changes(alone)[inside(alone)].sum() > 0.98 * changes(alone).sum() > 0
        assert changes(other)[inside(scene(WAVE, STILL, seed))].sum() == 0
        assert changes(other).sum() > 0


def test_the_bystander_moves_as_much_as_the_player_and_as_brightly() -> None:
    own, others = (
        [changes(scene(*which, seed)).sum() for seed in range(12)] for which in ((WAVE, STILL), (STILL, WAVE))
    )
    assert 1.0 < np.sum(others) / np.sum(own) < 1.6


def test_players_stand_on_either_side() -> None:
    sides = [scene(WAVE, WAVE, seed).box.x < 0.4 for seed in range(20)]
    assert 4 < sum(sides) < 16


def test_colours_tell_the_class_and_bystanders_have_none() -> None:
    for number in range(6):
        hues = [
            colorsys.rgb_to_hsv(*make_body(number, 6, 0.5, np.random.default_rng(seed)).colour)[0] for seed in range(20)
        ]
        away = (np.array(hues) - number / 6 + 0.5) % 1 - 0.5
        assert np.abs(away).max() < 1 / 12
    assert colorsys.rgb_to_hsv(*make_bystander(np.random.default_rng(0)).colour)[1] == 0
