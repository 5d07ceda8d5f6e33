from collections.abc import Callable

import pytest
import torch
from torch import nn

from pipeline.separation.parts.trunks import (
    MotionTrunk,
    MouthTrunk,
    Size,
    StillTrunk,
    _with_neighbours,
    count_weights,
    normalised_mouth,
    normalised_picture,
)

N_WORDS_OF_THE_PUBLISHED_MOUTH = 500 * 513  # a layer that nothing uses, and that is left out here


@pytest.mark.parametrize(
    ("make", "n_weights"),
    [
        (lambda: MouthTrunk("published", 512), 8.88e6),
        (lambda: StillTrunk("published", 3, 128), 11.24e6),
        (lambda: StillTrunk("published", 2, 128), 11.24e6),
        (lambda: MotionTrunk("published"), 33.2e6),
    ],
    ids=["mouth", "face", "voice", "motion"],
)
def test_a_published_trunk_has_the_published_number_of_weights(make: Callable[[], nn.Module], n_weights: float) -> None:
    with torch.device("meta"):
        assert abs(count_weights(make()) / n_weights - 1) < 0.01


def test_published_trunks_make_what_is_published() -> None:
    with torch.no_grad(), torch.device("meta"):  # shapes without numbers
        mouth = MouthTrunk("published", 512).eval()
        assert mouth.stem(torch.zeros(4, 5, 88, 88)).shape == (4, 24, 22, 22)
        assert mouth(torch.zeros(1, 4, 88, 88)).shape == (1, 512, 4)
        assert StillTrunk("published", 3, 128).eval().maps(torch.zeros(1, 3, 224, 224)).shape == (1, 512, 7, 7)
        assert MotionTrunk("published").eval()(torch.zeros(1, 3, 16, 112, 112)).shape == (1, 512, 4, 7, 7)


def test_the_stem_is_the_published_convolution_in_three_dimensions() -> None:
    trunk, film = MouthTrunk("small", 16).eval(), torch.randn(2, 9, 32, 32)
    convolution = trunk.stem[0]
    assert isinstance(convolution, nn.Conv2d)
    kernel = convolution.weight[:, None]  # (stem, 1, 5, 7, 7)
    expected = nn.functional.conv3d(film[:, None], kernel, stride=(1, 2, 2), padding=(2, 3, 3))
    found = convolution(_with_neighbours(film)).reshape(2, 9, 16, 16, 16).transpose(1, 2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", ["small", "published"])
def test_a_mouth_is_read_from_both_sides_of_a_moment(size: Size) -> None:
    trunk = MouthTrunk(size, 16).eval()
    film = torch.randn(1, 9, 32, 32, requires_grad=True)
    trunk(film)[0, :, 4].sum().backward()
    assert film.grad is not None
    by_picture = film.grad.abs().sum(dim=(0, 2, 3))
    assert by_picture[3] > 0
    assert by_picture[5] > 0


def test_films_and_pictures_are_scaled_as_published() -> None:
    assert normalised_mouth(torch.tensor(0.421 * 255)).item() == pytest.approx(0, abs=1e-5)
    assert normalised_mouth(torch.tensor((0.421 + 0.165) * 255)).item() == pytest.approx(1, abs=1e-5)
    white = normalised_picture(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8))
    assert white.shape == (1, 3, 2, 2)
    assert white[0, :, 0, 0].tolist() == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])
