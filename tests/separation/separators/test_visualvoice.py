import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import ParamsError
from pipeline.separation.material import TrainingBatch, TrainingStream
from pipeline.separation.parts.trunks import count_weights
from pipeline.separation.separators.visualvoice import (
    VisualVoice,
    _fitted,
    _Networks,
    _with_dropout,
    consistency_loss,
    match_loss,
)
from tests.helpers.talkers import FACTS
from tests.separation.separators.test_contract import MIXTURES, clips, params_of, validation

__all__ = ["clips", "validation"]  # fixtures


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def hinge(anchor: Tensor, positive: Tensor, negative: Tensor) -> float:
    return max(0.0, cosine(anchor, negative) - cosine(anchor, positive) + 0.5)


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
        outputs = networks(torch.zeros(1, 257, 256, dtype=torch.complex64), mouths, faces, 5.0)
    assert outputs.masks.shape == (1, 2, 256, 256)
    assert outputs.faces.shape == (1, 2, 128)


def test_a_voice_is_matched_with_its_face_against_each_other_one() -> None:
    generator = torch.Generator().manual_seed(0)
    voices, faces = (torch.randn(5, 3, 8, generator=generator) for _ in range(2))
    pairs = itertools.permutations(range(3), 2)
    expected = sum(sum(hinge(voices[k, i], faces[k, i], faces[k, j]) for k in range(5)) / 5 for i, j in pairs)
    assert float(match_loss(voices, faces)) == pytest.approx(expected, rel=1e-5)


def test_one_persons_voice_agrees_in_two_mixtures_against_the_other_voice_of_either() -> None:
    couples = torch.randn(5, 2, 2, 8, generator=torch.Generator().manual_seed(0))
    rows = [
        hinge(couple[0, 0], couple[1, 0], couple[0, 1]) + hinge(couple[0, 0], couple[1, 0], couple[1, 1])
        for couple in couples
    ]
    assert float(consistency_loss(couples)) == pytest.approx(sum(rows) / 5, rel=1e-5)


def test_losses_of_embeddings_reach_all_networks_and_that_of_masks_all_but_the_voice() -> None:
    separator = VisualVoice(params_of("visualvoice", mouth_dropout=0.0), 0)
    separator._mask_loss(batch_of(2), None)[0].backward()  # type: ignore[no-untyped-call]
    reached = {
        name.split(".")[0] for name, weights in separator.networks.named_parameters() if weights.grad is not None
    }
    assert reached == {"mouth", "face", "unet"}
    separator = VisualVoice(params_of("visualvoice", lambda_match=1.0, lambda_consistency=1.0), 0)
    for seed in range(8):  # in some of them the losses see the estimates
        separator._loss(batch_of(2), np.random.default_rng(seed)).backward()  # type: ignore[no-untyped-call]
    assert all(weights.grad is not None for weights in separator.networks.parameters())


def test_weights_of_zero_switch_the_losses_of_embeddings_off() -> None:
    separator = VisualVoice(params_of("visualvoice", lambda_match=0.0, lambda_consistency=0.0), 0)
    separator._loss(batch_of(2), np.random.default_rng(0)).backward()  # type: ignore[no-untyped-call]
    assert all(weights.grad is None for weights in separator.networks.voice.parameters())


def test_each_source_has_the_mask_of_its_own_film() -> None:
    separator = VisualVoice(params_of("visualvoice"), 0)
    separator.networks.eval().double()  # what is seen counts little before the training
    batch = batch_of(1)
    mouths, faces = separator._seen(batch.mouths, batch.faces, None)
    mouths, faces = mouths.double(), faces.double()
    whole = separator.params.stft.analysis(torch.from_numpy(batch.sources).double().sum(dim=1))
    masks = separator.networks(whole, mouths, faces, 5.0).masks
    swapped = separator.networks(whole, mouths.flip(1), faces.flip(1), 5.0).masks
    torch.testing.assert_close(masks, swapped.flip(1), atol=1e-12, rtol=0)
    assert (masks[0, 0] - masks[0, 1]).abs().max() > 1e-8


def test_some_films_are_held_still_and_as_many_are_grey() -> None:
    films = torch.randn(200, 2, 6, 4, 4)
    dropped = _with_dropout(films, 0.5, np.random.default_rng(0))
    grey = (dropped == 0).all(dim=(2, 3, 4))
    still = (dropped == dropped[:, :, :1]).all(dim=(2, 3, 4)) & ~grey
    assert 0.2 < float(grey.float().mean()) < 0.3
    assert 0.2 < float(still.float().mean()) < 0.3
    torch.testing.assert_close(dropped[~grey & ~still], films[~grey & ~still])
    torch.testing.assert_close(dropped[still][:, 3], films[still][:, 0])


def test_films_of_another_rate_are_brought_to_the_columns_by_time() -> None:
    ramp = torch.arange(8.0)[None, None]
    np.testing.assert_allclose(_fitted(ramp, 16)[0, 0, 1:-1], np.arange(1, 15) / 2 - 0.25)
    assert _fitted(ramp, 8) is ramp


def test_a_crop_that_is_larger_than_the_mouth_is_refused(clips, validation) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
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
