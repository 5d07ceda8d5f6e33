from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.separation.films import BLANK, listening
from pipeline.separation.material import Material
from pipeline.separation.mixtures import Mixture, Segment
from pipeline.separation.parts.base import View
from pipeline.separation.separating import (
    FILMS,
    read_separated,
    read_silence,
    views_of,
    write_embeddings,
    write_separated,
)
from pipeline.separation.separators.visualvoice import VisualVoice
from tests.helpers.talkers import FACTS, talking_clips
from tests.separation.separators.test_contract import params_of

MIXTURE = Mixture("m-1", "test", "any", 1.0, (Segment("p0/0.mp4", 0.4, 0.5), Segment("p1/0.mp4", 0.2, 0.3)))


class Seeing:
    """A separator whose sounds are the mixture times how bright the first picture of a mouth is."""

    uses_views: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("mouth", "face")
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
    return Material(talking_clips(tmp_path, 3, "test"), [MIXTURE])


def test_films_are_what_their_names_say(material: Material) -> None:
    shown = {film: views_of(material, MIXTURE, film) for film in FILMS}
    own, swapped, still = shown["own"], shown["swapped"], shown["still"]
    expected = material.clips.mouth("p0/0.mp4", 0.4, 25)
    np.testing.assert_array_equal(own[0].mouth, expected)
    np.testing.assert_array_equal(swapped[0].mouth, own[1].mouth)
    np.testing.assert_array_equal(swapped[1].face, own[0].face)
    np.testing.assert_array_equal(still[0].mouth, np.repeat(expected[:1], 25, axis=0))
    blank_mouths = {film for film, views in shown.items() if all((view.mouth == BLANK).all() for view in views)}
    blank_faces = {film for film, views in shown.items() if all((view.face == BLANK).all() for view in views)}
    assert blank_mouths == {"face", "blank"}
    assert blank_faces == {"lips", "unreliable_lips_alone", "blank"}
    own_mouths = {film for film, views in shown.items() if (views[0].mouth == expected).all()}
    assert own_mouths == {"own", "lips"}


def test_unreliable_lips_are_hidden_alike_with_and_without_the_face(material: Material) -> None:
    both, alone = (views_of(material, MIXTURE, film) for film in ("unreliable_lips", "unreliable_lips_alone"))
    for view, other in zip(both, alone, strict=True):
        np.testing.assert_array_equal(view.mouth, other.mouth)
    assert (both[0].mouth != both[1].mouth).any()


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
    write_separated("blind", [Blind()], material, tmp_path / "out")  # type: ignore[list-item]  # a stand-in, of which no more is used
    ((_, films),) = read_separated(tmp_path / "out")
    assert list(films) == ["own"]


def test_the_level_of_a_silent_source_is_what_is_made_of_it_when_the_first_one_is_heard_alone(
    material: Material, tmp_path: Path
) -> None:
    write_separated("seeing", [Seeing(), Seeing()], material, tmp_path / "out")  # type: ignore[list-item]  # a stand-in, of which no more is used
    quiet = listening(material.clips.mouth("p1/0.mp4", 0.2, 25), material.clips.references(MIXTURE)[1])
    expected = 20 * np.log10(quiet[0].mean() / 255)
    np.testing.assert_allclose(read_silence(tmp_path / "out")["m-1"], [expected, expected], rtol=1e-4)


def test_one_that_sees_nothing_may_choose_which_of_its_sounds_is_the_silent_one(
    material: Material, tmp_path: Path
) -> None:
    class Halving(Blind):
        def separate(self, mixture: NDArray[np.float32], views: list[View]) -> NDArray[np.float32]:
            return np.stack([0.1 * mixture, mixture])

    write_separated("halving", [Halving()], material, tmp_path / "out")  # type: ignore[list-item]  # a stand-in, of which no more is used
    np.testing.assert_allclose(read_silence(tmp_path / "out")["m-1"], [-20], rtol=1e-4)


def test_estimates_have_equal_bits_on_one_thread_and_on_two(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    separator = VisualVoice(params_of("visualvoice", ngf=8), 0)
    separator.facts = FACTS
    separator.networks.eval()
    n_threads = torch.get_num_threads()
    for n in (1, 2):
        torch.set_num_threads(n)
        monkeypatch.setenv("AVR_WORKERS", str(n))
        write_separated("visualvoice", [separator], material, tmp_path / str(n))
        write_embeddings([separator], material.clips, tmp_path / str(n))
    torch.set_num_threads(n_threads)
    files = [path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*.safetensors")]
    assert len(files) > 1
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


def test_what_is_no_number_names_the_mixture(material: Material, tmp_path: Path) -> None:
    broken = Blind()
    broken.broken = True
    with pytest.raises(DataError, match="mixture 'm-1': estimates are not finite; expected finite numbers"):
        write_separated("blind", [broken], material, tmp_path / "out")  # type: ignore[list-item]  # a stand-in, of which no more is used
