import numpy as np

from pipeline.dataset.scenes.faces import make_faces
from pipeline.dataset.scenes.people import make_person
from pipeline.separation.views import grey, mouth_of

PERSON = make_person(np.random.default_rng(0))


def test_an_open_mouth_is_darker_where_the_film_of_the_mouth_is_cut() -> None:
    opening = np.linspace(0, 1, 20)
    pictures = make_faces(opening, np.full(20, 0.5), PERSON, 96, 0.5, np.random.default_rng(0))
    assert (pictures.shape, pictures.dtype) == ((20, 96, 96, 3), np.uint8)
    dark = [(grey(mouth_of(picture)) < 60).mean() for picture in pictures]
    assert np.corrcoef(dark, opening)[0, 1] > 0.95


def test_a_wide_mouth_is_wider() -> None:
    both = make_faces(np.full(2, 0.6), np.array([0.0, 1.0]), PERSON, 96, 0.0, np.random.default_rng(0))
    round_one, wide_one = ((grey(mouth_of(picture)) < 60).any(axis=0).sum() for picture in both)
    assert wide_one > round_one + 4


def test_difficulty_raises_the_noise() -> None:
    def noise(difficulty: float) -> float:
        pictures = make_faces(np.zeros(3), np.zeros(3), PERSON, 96, difficulty, np.random.default_rng(1))
        corner = pictures[:, :10, :10].astype(float)
        return float(corner.std(axis=(1, 2)).mean())

    assert noise(1.0) > 2 * noise(0.0)
