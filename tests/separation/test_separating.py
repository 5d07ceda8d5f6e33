from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.separation.material import Material
from pipeline.separation.mixtures import Mixture, Segment
from pipeline.separation.parts.base import View
from pipeline.separation.separating import BLANK, FILMS, read_separated, views_of, write_separated
from tests.helpers.talkers import FACTS, talking_clips

MIXTURE = Mixture("m-1", "test", "any", 1.0, (Segment("p0/0.mp4", 0.4, 0.5), Segment("p1/0.mp4", 0.2, 0.3)))


class Seeing:
    """A separator whose sounds are the mixture times how bright the first picture of a mouth is."""

    uses_views: ClassVar[bool] = True
    facts = FACTS

    def separate(self, mixture: NDArray[np.float32], views: list[View]) -> NDArray[np.float32]:
        return np.stack([mixture * (view.mouth[0].mean() / 255) for view in views]).astype(np.float32)


class Blind(Seeing):
    """One that sees nothing, and gives what is no number for the first source when it is asked to."""

    uses_views: ClassVar[bool] = False
    broken = False

    def separate(self, mixture: NDArray[np.float32], views: list[View]) -> NDArray[np.float32]:
        return np.stack([mixture, np.full_like(mixture, np.nan) if self.broken else -mixture])


@pytest.fixture
def material(tmp_path: Path) -> Material:
    return Material(talking_clips(tmp_path, 3), [MIXTURE])


def test_the_four_films_are_what_their_names_say(material: Material) -> None:
    own, swapped, still, blank = (views_of(material, MIXTURE, film) for film in FILMS)
    expected = material.clips.mouth("p0/0.mp4", 0.4, 25)
    np.testing.assert_array_equal(own[0].mouth, expected)
    np.testing.assert_array_equal(swapped[0].mouth, own[1].mouth)
    np.testing.assert_array_equal(swapped[1].face, own[0].face)
    np.testing.assert_array_equal(still[0].mouth, np.repeat(expected[:1], 25, axis=0))
    assert (still[0].face == own[0].face).all()
    assert (blank[0].mouth == BLANK).all()
    assert (blank[0].face == BLANK).all()


def test_estimates_are_read_as_they_were_made_to_16_bits(material: Material, tmp_path: Path) -> None:
    fits: list[Any] = [Seeing(), Seeing()]
    write_separated("seeing", fits, material, tmp_path / "out")
    ((name, films),) = read_separated(tmp_path / "out")
    assert (name, list(films)) == ("m-1", list(FILMS))
    whole = material.clips.references(MIXTURE).sum(axis=0)
    for film, sounds in films.items():
        expected = Seeing().separate(whole, views_of(material, MIXTURE, film))
        assert sounds.shape == (2, 2, 8000)
        np.testing.assert_allclose(sounds[1], expected, atol=np.abs(expected).max() / 60000)


def test_one_that_sees_nothing_is_shown_one_film(material: Material, tmp_path: Path) -> None:
    write_separated("blind", [Blind()], material, tmp_path / "out")  # type: ignore[list-item]
    ((_, films),) = read_separated(tmp_path / "out")
    assert list(films) == ["own"]


def test_what_is_no_number_names_the_mixture(material: Material, tmp_path: Path) -> None:
    broken = Blind()
    broken.broken = True
    with pytest.raises(DataError, match="mixture 'm-1': estimates are not finite; expected finite numbers"):
        write_separated("blind", [broken], material, tmp_path / "out")  # type: ignore[list-item]
