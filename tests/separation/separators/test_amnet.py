import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.separation.heard import HeardClips
from pipeline.separation.material import Material
from pipeline.separation.parts.base import View
from pipeline.separation.separating import views_of
from pipeline.separation.separators.amnet import Amnet
from tests.separation.separators.test_contract import clips, fitted, params_of, validation

__all__ = ["clips", "validation"]  # fixtures


def trained(clips: HeardClips, validation: Material, **changes: object) -> Amnet:
    separator = fitted("amnet", clips, validation, **changes)
    assert isinstance(separator, Amnet)
    return separator


@pytest.fixture(scope="module")
def separator(clips: HeardClips, validation: Material) -> Amnet:
    return trained(clips, validation, learning_rate=0.01)


def one_window(separator: Amnet, validation: Material) -> tuple[NDArray[np.float32], list[View]]:
    mixture = validation.mixtures[0]
    whole = validation.clips.references(mixture).sum(axis=0)
    return whole[: separator.params.n_samples], views_of(validation, mixture)


def test_the_sounds_follow_the_views_when_these_change_places(separator: Amnet, validation: Material) -> None:
    sound, views = one_window(separator, validation)
    for way in (separator.separate, lambda *given: separator.separate_by("appearance", *given)):
        np.testing.assert_allclose(way(sound, views[::-1]), way(sound, views)[::-1], atol=1e-5)


def test_the_appearance_stage_sees_one_picture_and_the_motion_stage_the_film(
    separator: Amnet, validation: Material
) -> None:
    sound, views = one_window(separator, validation)
    middle = int(len(sound) / 8000 / 2 * 8)
    moved = views[0].frames[::-1].copy()
    moved[middle] = views[0].frames[middle]
    others = [View(frames=moved), views[1]]
    by_picture, changed = (separator.separate_by("appearance", sound, shown) for shown in (views, others))
    np.testing.assert_array_equal(by_picture, changed)
    assert not np.array_equal(separator.separate(sound, views), separator.separate(sound, others))


def test_a_thresholded_mask_lets_a_bin_through_or_not(separator: Amnet, validation: Material) -> None:
    """Logits that are all above or below 0 leave the whole mixture, or nothing."""
    sound, views = one_window(separator, validation)
    for sign, expected in ((1.0, sound), (-1.0, 0 * sound)):
        made = separator._separated(sound, views, lambda logits, sign=sign: (logits.motion * 0 + sign > 0).float())
        np.testing.assert_allclose(made, np.stack([expected] * 2), atol=1e-4)


def test_a_later_training_leaves_the_networks_of_those_before_as_they_are(
    clips: HeardClips, validation: Material
) -> None:
    short, long = (
        trained(clips, validation, steps=steps).networks for steps in (1, 16)
    )  # of fewer the first may be best
    for name in ("ame", "appearance"):
        states = zip(getattr(short, name).state_dict().items(), getattr(long, name).state_dict().values(), strict=True)
        assert all(torch.equal(one, other) for (_, one), other in states)
    assert not torch.equal(short.residues.unet.downs[0][0].weight, long.residues.unet.downs[0][0].weight)  # type: ignore[index]  # a Sequential, by its maker


def test_without_steps_ame_stays_as_it_was_drawn_and_the_history_has_two_trainings(
    clips: HeardClips, validation: Material
) -> None:
    params = params_of("amnet", ame_steps=0)
    drawn = Amnet(params, 0).networks.ame.state_dict()
    separator = trained(clips, validation, ame_steps=0)
    for name, value in separator.networks.ame.state_dict().items():
        torch.testing.assert_close(value, drawn[name])


def test_heat_has_the_times_of_the_frames_and_the_places_of_the_maps(separator: Amnet, validation: Material) -> None:
    sound, views = one_window(separator, validation)
    heat = separator.heat(sound, views)
    assert heat.shape == (2, len(views[0].frames), 4, 4)
    assert heat.min() >= 0


def test_what_is_not_fitted_does_not_separate() -> None:
    with pytest.raises(DataError, match="amnet: not fitted; expected `fit` or `load` before `separate`"):
        Amnet(params_of("amnet"), 0).separate(np.zeros(100, np.float32), [View(), View()])
