import numpy as np
import pytest
import torch

from pipeline.errors import ParamsError
from pipeline.separation.heard import HeardClips
from pipeline.separation.material import Material, TrainingBatch, TrainingStream
from pipeline.separation.parts.base import View
from pipeline.separation.parts.learning import at_level, errors_by_order
from pipeline.separation.parts.trunks import count_weights
from pipeline.separation.separators.visualvoice import VisualVoice, _fitted, _Networks
from tests.helpers.talkers import FACTS
from tests.separation.separators.test_contract import MIXTURES, clips, params_of, validation

__all__ = ["clips", "validation"]  # fixtures


def batch_of(n: int, seed: int = 0) -> TrainingBatch:
    rng = np.random.default_rng(seed)
    n_samples = params_of("visualvoice").n_samples
    sources = rng.normal(0, 0.1, (n, 2, n_samples)).astype(np.float32)
    mouths = rng.integers(0, 255, (n, 2, 16, 32, 32), dtype=np.uint8)
    return TrainingBatch(sources, mouths, rng.integers(0, 255, (n, 2, 32, 32, 3), dtype=np.uint8))


@pytest.mark.slow
def test_the_published_networks_have_the_published_number_of_weights() -> None:
    sizes = {"fft": 512, "window": 400, "hop": 160, "columns": 256, "ngf": 64, "mouth_crop": 88}
    params = params_of("visualvoice", trunk="published", lip_width=512, face_width=128, **sizes)
    networks = _Networks(params).eval()
    assert abs(count_weights(networks) / 77.8e6 - 1) < 0.01
    needed = count_weights(networks) - count_weights(networks.voice)
    assert abs(needed / 66.3e6 - 1) < 0.01
    with torch.no_grad():
        mouths, faces = torch.zeros(1, 2, 64, 88, 88), torch.zeros(1, 2, 3, 224, 224)
        unseen = torch.zeros(1, 2, dtype=torch.bool)
        outputs = networks(torch.zeros(1, 257, 256, dtype=torch.complex64), mouths, faces, unseen, 5.0)
    assert outputs.masks.shape == (1, 2, 256, 256)
    assert outputs.faces.shape == (1, 2, 128)


def test_losses_of_embeddings_reach_all_networks_and_that_of_masks_all_but_the_voice() -> None:
    separator = VisualVoice(params_of("visualvoice", mouth_dropout=0.0), 0)
    found = separator._separated(batch_of(2), np.random.default_rng(0))
    (found.errors.sum() + found.unseen_errors.sum()).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    reached = {
        name.split(".")[0] for name, weights in separator.networks.named_parameters() if weights.grad is not None
    }
    assert reached == {"mouth", "face", "unet", "unseen"}
    separator = VisualVoice(params_of("visualvoice", lambda_match=1.0, lambda_consistency=1.0), 0)
    for seed in range(8):  # in some of them the losses see the estimates
        separator._loss(batch_of(2), np.random.default_rng(seed)).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    assert all(weights.grad is not None for weights in separator.networks.parameters())


def test_weights_of_zero_switch_the_losses_of_embeddings_off() -> None:
    separator = VisualVoice(params_of("visualvoice", lambda_match=0.0, lambda_consistency=0.0), 0)
    separator._loss(batch_of(2), np.random.default_rng(0)).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    assert all(weights.grad is None for weights in separator.networks.voice.parameters())


def test_each_source_has_the_mask_of_its_own_film() -> None:
    separator = VisualVoice(params_of("visualvoice"), 0)
    separator.networks.eval().double()  # what is seen counts little before the training
    batch = batch_of(1)
    mouths, faces = separator._seen(batch.mouths, batch.faces, None)
    mouths, faces = mouths.double(), faces.double()
    whole = separator.params.stft.analysis(torch.from_numpy(batch.sources).double().sum(dim=1))
    seen = torch.zeros(1, 2, dtype=torch.bool)
    masks = separator.networks(whole, mouths, faces, seen, 5.0).masks
    swapped = separator.networks(whole, mouths.flip(1), faces.flip(1), seen, 5.0).masks
    torch.testing.assert_close(masks, swapped.flip(1), atol=1e-12, rtol=0)
    assert (masks[0, 0] - masks[0, 1]).abs().max() > 1e-8


def test_where_nothing_is_seen_no_film_counts_and_the_best_order_of_different_masks_does() -> None:
    separator = VisualVoice(params_of("visualvoice", unseen_fraction=0.5, mouth_dropout=0.0), 0)
    networks = separator.networks.eval()
    networks.unseen.data *= 100  # what is seen counts little before the training
    one, two = batch_of(4), batch_of(4)._replace(mouths=batch_of(4, 1).mouths, faces=batch_of(4, 1).faces)
    first, second = (separator._separated(batch, np.random.default_rng(0)) for batch in (one, two))
    assert first.unseen_errors.shape == (2,)
    torch.testing.assert_close(first.unseen_errors, second.unseen_errors, atol=0, rtol=0)
    assert not torch.equal(first.errors, second.errors)
    stft, films = separator.params.stft, [torch.zeros(2, 2, 16, 28, 28), torch.zeros(2, 2, 3, 32, 32)]
    sources = torch.from_numpy(one.sources[:2])
    sources, _ = at_level(sources.sum(dim=1, keepdim=True), sources)
    nothing = torch.ones(2, 2, dtype=torch.bool)
    masks = networks(stft.analysis(sources.sum(dim=1)), *films, nothing, separator.params.mask_limit).masks
    assert (masks[:, 0] - masks[:, 1]).abs().max() > 1e-6
    spectra = stft.analysis(sources)[..., :-1, :]
    errors = errors_by_order(masks, spectra, spectra.sum(dim=1, keepdim=True), separator.params)
    straight, crossed = errors[:, 0, 0] + errors[:, 1, 1], errors[:, 0, 1] + errors[:, 1, 0]
    torch.testing.assert_close(first.unseen_errors, torch.minimum(straight, crossed) / 2, atol=1e-5, rtol=1e-4)


def test_masks_with_nothing_seen_change_none_of_the_others_and_count_by_their_weight() -> None:
    batch, losses = batch_of(4), []
    for changes in ({"lambda_unseen": 2.0}, {"lambda_unseen": 0.0}, {"unseen_fraction": 0.0}):
        all_changes = {"unseen_fraction": 0.5, "lambda_match": 0.0, "lambda_consistency": 0.0} | changes
        separator = VisualVoice(params_of("visualvoice", **all_changes), 0)
        separator.networks.eval()
        losses.append(separator._loss(batch, np.random.default_rng(0)).item())
        unseen_errors = separator._separated(batch, np.random.default_rng(0)).unseen_errors
        if "lambda_unseen" in changes:
            expected = unseen_errors.mean().item()
    assert losses[1] == pytest.approx(losses[2], abs=1e-6)
    assert losses[0] - losses[1] == pytest.approx(2 * expected, abs=1e-5)


def test_a_view_of_one_brightness_is_blank_and_gives_each_source_a_sound_of_its_own(
    clips: HeardClips, validation: Material
) -> None:
    separator = VisualVoice(params_of("visualvoice"), 0)
    separator.fit(TrainingStream(clips, MIXTURES), validation)
    films = [np.full((38, 32, 32), grey, np.uint8) for grey in (108, 90)]
    blank = [View(film, np.full((1, 32, 32, 3), 7, np.uint8)) for film in films]
    assert all(view.is_blank for view in blank)
    assert not View(films[0], np.arange(3072, dtype=np.uint16).astype(np.uint8).reshape(1, 32, 32, 3)).is_blank
    sounds = separator.separate(clips.sound("p0/0.mp4", 0, 12000), blank)
    assert np.abs(sounds[0] - sounds[1]).max() > 1e-6
    np.testing.assert_array_equal(separator.separate(clips.sound("p0/0.mp4", 0, 12000), blank[::-1]), sounds)


def test_films_of_another_rate_are_brought_to_the_columns_by_time() -> None:
    ramp = torch.arange(8.0)[None, None]
    np.testing.assert_allclose(_fitted(ramp, 16)[0, 0, 1:-1], np.arange(1, 15) / 2 - 0.25)
    assert _fitted(ramp, 8) is ramp


def test_a_crop_that_is_larger_than_the_mouth_is_refused(clips: HeardClips, validation: Material) -> None:
    separator = VisualVoice(params_of("visualvoice", mouth_crop=40), 0)
    with pytest.raises(ParamsError, match=r"visualvoice.mouth_crop=40; expected at most views.mouth_size=32"):
        separator.fit(TrainingStream(clips, MIXTURES), validation)


def test_embeddings_are_one_a_face_and_one_a_voice() -> None:
    separator = VisualVoice(params_of("visualvoice"), 0)
    separator.networks.eval()
    assert separator.embed_faces(np.zeros((3, 32, 32, 3), np.uint8)).shape == (3, 8)
    voices = np.random.default_rng(0).normal(size=(3, separator.params.n_samples)).astype(np.float32)
    embedded = separator.embed_voices(voices)
    np.testing.assert_allclose(separator.embed_voices(5 * voices), embedded, atol=1e-5)
    assert FACTS.rate == 8000
