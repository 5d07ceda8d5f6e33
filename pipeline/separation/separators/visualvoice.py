"""VisualVoice (Gao & Grauman 2021): a complex mask for each source, from the mixture, its lips and its face.

One pass for each source: the film of the mouth and one picture of the face meet the mixture's spectrogram at the bottom
of a U-Net, where a column is as long as a picture of the film. Beside the mask, embeddings of faces and of separated
voices learn to match, and those of one voice in two mixtures to agree. Where nothing is seen of any source, a learnt
vector takes the place of what is seen, another one for each source: so the network learns on some mixtures of a batch.
"""

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from pipeline.errors import DataError, ParamsError
from pipeline.separation.films import with_dropout
from pipeline.separation.heard import Facts
from pipeline.separation.material import Material, TrainingBatch, TrainingStream
from pipeline.separation.parts.base import TrainingHistory, View
from pipeline.separation.parts.checkpoint import NO_CHECKPOINT, Checkpoint
from pipeline.separation.parts.learning import (
    SpectrumParams,
    at_level,
    errors_by_order,
    errors_of,
    fixed_batches,
    inputs_of,
    masked,
    on_device_of,
)
from pipeline.separation.parts.losses import consistency_triplets, least_over_orders, match_triplets
from pipeline.separation.parts.masks import complex_mask
from pipeline.separation.parts.saved import load_separator, put_weights, save_separator
from pipeline.separation.parts.training import fit_steps
from pipeline.separation.parts.trunks import MouthTrunk, Size, StillTrunk, normalised_mouth, normalised_picture
from pipeline.separation.parts.unet import UNet, visualvoice_steps
from pipeline.separation.parts.windows import in_one_order, overlap_add, window_starts
from pipeline.settings.device import chosen_device
from pipeline.settings.paths import AnyPath

N_UNSEEN = 3  # learnt vectors for sources of which nothing is seen: mixtures of training have at most as many sources


class VisualVoiceParams(SpectrumParams):
    """Section ``visualvoice`` of params.yaml.

    Attributes:
        trunk: of mouth, face and voice: ``small`` or ``published``.
        lip_width: channels of the mouth's features; 512 as published.
        face_width: of the embeddings of faces and voices; 128 as published.
        mouth_crop: side of the square that is cut out of the mouth's pictures, at random in training; 88 of 96 as
            published.
        lambda_match: weight of the triplets of a voice, its face and the other face.
        lambda_consistency: weight of the triplets of a voice in two mixtures and the other voice; with 0 the mixtures
            of a batch have nothing in common.
        mouth_dropout: fraction of the training films that are hidden: half of these at times, a quarter is held still
            and a quarter made grey.
        unseen_fraction: fraction of the mixtures of a batch, rounded up, that are separated once more with nothing seen
            of them; the best order of these masks counts.
        lambda_unseen: weight of their mean error.
    """

    trunk: Size
    lip_width: PositiveInt
    face_width: PositiveInt
    mouth_crop: PositiveInt
    lambda_match: NonNegativeFloat
    lambda_consistency: NonNegativeFloat
    mouth_dropout: float = Field(ge=0, le=1)
    unseen_fraction: float = Field(ge=0, le=1)
    lambda_unseen: NonNegativeFloat


Params = VisualVoiceParams


class _Outputs(NamedTuple):
    """Masks (batch, n_sources, rows, columns), faces' embeddings (batch, n_sources, width), masks with nothing seen."""

    masks: Tensor
    faces: Tensor
    unseen_masks: Tensor


class _Separated(NamedTuple):
    """Errors (batch,), those with nothing seen (some,), spectra of sources and of estimates, faces' embeddings."""

    errors: Tensor
    unseen_errors: Tensor
    spectra: Tensor
    estimates: Tensor
    faces: Tensor


class _Networks(nn.Module):
    """The four networks; that of the voice is for training, and to match voices with faces."""

    def __init__(self, params: VisualVoiceParams) -> None:
        super().__init__()
        self.mouth = MouthTrunk(params.trunk, params.lip_width)
        self.face = StillTrunk(params.trunk, 3, params.face_width)
        self.voice = StillTrunk(params.trunk, 2, params.face_width)
        steps = visualvoice_steps(params.ngf, params.n_rows)
        bottom = params.face_width + params.lip_width + steps[-1].width
        self.unet = UNet(2, 2, steps, bottom)
        self.unseen = nn.Parameter(torch.randn(N_UNSEEN, params.face_width + params.lip_width))

    def forward(
        self, spectrum: Tensor, mouths: Tensor, faces: Tensor, unseen: Tensor, limit: float, n_again: int = 0
    ) -> _Outputs:
        """What is made of mixtures (batch, rows + 1, columns), films and faces (batch, n_sources, ...).

        ``unseen``, bool (batch, n_sources): whose do not count. The first ``n_again`` are separated unseen, too.
        """
        n_mixtures, n_sources = mouths.shape[:2]
        lips = self.mouth(mouths.flatten(0, 1))  # (batch * n_sources, lip_width, n_pictures)
        looks = self.face(faces.flatten(0, 1))  # (batch * n_sources, face_width)
        levels = self.unet.down(inputs_of(spectrum))
        columns = levels[-1].shape[-1]
        seen = torch.cat([looks[:, :, None].expand(-1, -1, columns), _fitted(lips, columns)], dim=1)
        in_place = self.unseen[[k % N_UNSEEN for k in range(n_sources)]].repeat(n_mixtures, 1)
        nothing = in_place[:, :, None].expand(-1, -1, columns)
        seen = torch.where(unseen.flatten()[:, None, None], nothing, seen)
        passes = torch.cat([seen, nothing[: n_again * n_sources]])
        mixtures = torch.arange(len(passes), device=passes.device).div(n_sources, rounding_mode="floor") % n_mixtures
        each = [level[mixtures].contiguous(memory_format=torch.channels_last) for level in levels]
        bottom = torch.cat([passes[:, :, None], each[-1]], dim=1)  # (n_passes, bottom, 1, columns)
        masks = _split(complex_mask(self.unet.up(each, bottom), limit), n_sources)
        return _Outputs(masks[:n_mixtures], _split(looks, n_sources), masks[n_mixtures:])


class VisualVoice:
    """The model; see the module."""

    uses_views: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("mouth", "face")
    fewest_views: ClassVar[int] = 1

    def __init__(self, params: VisualVoiceParams, seed: int) -> None:
        self.params, self.seed = params, seed
        self.facts: Facts | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.networks = _Networks(params).to(chosen_device())

    def fit(
        self, train: TrainingStream, validation: Material, checkpoint: Checkpoint = NO_CHECKPOINT
    ) -> TrainingHistory:
        """Return the history of learning from ``train``, one dict a look; ``validation`` chooses between them."""
        params = self.params
        self.facts = train.clips.facts
        if self.facts.mouth_size < params.mouth_crop:
            expected = f"at most views.mouth_size={self.facts.mouth_size}"
            raise ParamsError(f"visualvoice.mouth_crop={params.mouth_crop}; expected {expected}")
        fixed = fixed_batches(validation, params.n_samples)

        def loss(rng: np.random.Generator) -> Tensor:
            if params.lambda_consistency == 0:
                return self._loss(train.batch(params.batch_size, params.n_samples, rng), rng)
            return self._loss(train.couples(params.batch_size // 2, params.n_samples, rng), rng)

        def validation_loss() -> float:
            return float(np.mean([self._separated(batch, None).errors.mean().item() for batch in fixed]))

        return fit_steps(self.networks, loss, validation_loss, params, self.seed, checkpoint)

    def separate(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        """Return the sound of each view, (n_views, n_samples), of a mixture (n_samples,)."""
        params, facts = self.params, self.facts
        if facts is None:
            raise DataError("visualvoice: not fitted; expected `fit` or `load` before `separate`")
        starts = window_starts(len(mixture), params.n_samples, params.hop_samples)
        n_pictures = max(1, round(params.n_samples / facts.rate * facts.mouth_fps))
        faces = np.stack([view.face[len(view.face) // 2] for view in views])
        unseen = on_device_of(self.networks, np.array([[view.is_blank for view in views]]))
        pieces = []
        with torch.no_grad():
            for start in starts:
                first = round(start / facts.rate * facts.mouth_fps)
                films = np.stack([_cut(view.mouth, first, n_pictures) for view in views])
                pieces.append(self._window(mixture[start : start + params.n_samples], films, faces, unseen))
        windows = in_one_order(np.stack(pieces), starts) if unseen.all() else np.stack(pieces)
        return overlap_add(windows, starts, len(mixture))

    def embed_faces(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return embeddings (n, face_width) of faces (n, size, size, 3)."""
        with torch.no_grad():
            vectors: Tensor = self.networks.face(normalised_picture(on_device_of(self.networks, faces)))
        return vectors.cpu().numpy()

    def embed_voices(self, sounds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return embeddings (n, face_width) of voices (n, n_samples) of any length, each brought to one level."""
        waves = on_device_of(self.networks, sounds)
        with torch.no_grad():
            spectra = self.params.stft.analysis(at_level(waves, waves)[0])
            vectors: Tensor = self.networks.voice(inputs_of(spectra))
        return vectors.cpu().numpy()

    def save(self, path: AnyPath) -> None:
        """Write the fitted separator to one safetensors file; equal ones give equal bytes."""
        save_separator(path, self.params, self.seed, self.facts, self.networks)

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Return the separator that ``save`` wrote."""
        params, seed, facts, arrays = load_separator(path, VisualVoiceParams)
        separator = cls(params, seed)
        separator.facts = facts
        put_weights(separator.networks, arrays)
        return separator

    def _loss(self, batch: TrainingBatch, rng: np.random.Generator) -> Tensor:
        """The loss of a batch, a scalar; for consistency its mixtures are couples."""
        found, params = self._separated(batch, rng), self.params
        loss, voices = found.errors.mean(), dict[str, Tensor]()
        for name, weight in (("match", params.lambda_match), ("consistency", params.lambda_consistency)):
            if weight > 0:
                shown = found.spectra if rng.random() < 0.5 else found.estimates  # the true ones in half of the steps
                voices[name] = _split(self.networks.voice(_parts(shown.flatten(0, 1))), shown.shape[1])
        loss = loss + params.lambda_unseen * found.unseen_errors.sum() / max(1, len(found.unseen_errors))
        audible = on_device_of(self.networks, np.abs(batch.sources).max(axis=2) > 0).all(dim=1)
        if "match" in voices and audible.any():
            loss = loss + params.lambda_match * match_triplets(voices["match"][audible], found.faces[audible])
        if "consistency" in voices and (both := audible.reshape(-1, 2).all(dim=1)).any():
            couples = _split(voices["consistency"], 2)[both]  # (n, 2, n_sources, width)
            loss = loss + params.lambda_consistency * consistency_triplets(couples)
        return loss

    def _separated(self, batch: TrainingBatch, rng: np.random.Generator | None) -> _Separated:
        """What is made of a batch, and how wrong it is; rng: of the training."""
        stft, params = self.params.stft, self.params
        sources = on_device_of(self.networks, batch.sources)
        sources, _ = at_level(sources.sum(dim=1, keepdim=True), sources)
        spectra = stft.analysis(sources)[..., :-1, :]  # (batch, n_sources, rows, columns)
        whole = stft.analysis(sources.sum(dim=1))
        mixture = whole[:, None, :-1]
        mouths, faces = self._seen(batch.mouths, batch.faces, rng)
        none_unseen = torch.zeros_like(spectra[..., 0, 0], dtype=torch.bool)
        n_again = 0 if rng is None else math.ceil(params.unseen_fraction * len(spectra))
        masks, looks, again = self.networks(whole, mouths, faces, none_unseen, params.mask_limit, n_again)
        errors = errors_of(masks, spectra, mixture, params).mean(dim=1)
        by_order = errors_by_order(again, spectra[:n_again], mixture[:n_again], params)
        return _Separated(errors, least_over_orders(by_order), spectra, masks * mixture, looks)

    def _seen(
        self, mouths: NDArray[np.uint8], faces: NDArray[np.uint8], rng: np.random.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Films (..., n_pictures, crop, crop) and faces (..., 3, size, size) as networks take them."""
        crop, size = self.params.mouth_crop, mouths.shape[-1]
        top = left = (size - crop) // 2
        if rng is not None:
            top, left = rng.integers(size - crop + 1, size=2).tolist()
            mouths = with_dropout(mouths, self.params.mouth_dropout, rng)
        cropped = mouths[..., top : top + crop, left : left + crop]
        scaled = normalised_mouth(on_device_of(self.networks, cropped).float())
        pictures = _split(normalised_picture(on_device_of(self.networks, faces).flatten(0, 1)), faces.shape[1])
        if rng is not None:
            scaled = scaled.flip(-1) if rng.random() < 0.5 else scaled
            pictures = pictures.flip(-1) if rng.random() < 0.5 else pictures
        return scaled, pictures

    def _window(
        self, sound: NDArray[np.float32], films: NDArray[np.uint8], faces: NDArray[np.uint8], unseen: Tensor
    ) -> NDArray[np.float32]:
        """Sounds (n_views, window's length) of a window of a mixture."""
        padded = on_device_of(self.networks, np.pad(sound, (0, self.params.n_samples - len(sound))))[None]
        scaled, gain = at_level(padded, padded)
        spectrum = self.params.stft.analysis(scaled)
        mouths, pictures = self._seen(films[None], faces[None], None)
        made = self.networks(spectrum, mouths, pictures, unseen, self.params.mask_limit)
        return (masked(made.masks[0], spectrum, self.params.stft, self.params.n_samples) / gain).cpu().numpy()


Separator = VisualVoice


def _split(rows: Tensor, n_sources: int) -> Tensor:
    """Rows (batch * n_sources, ...) by their mixtures, (batch, n_sources, ...)."""
    return rows.reshape(-1, n_sources, *rows.shape[1:])


def _parts(spectra: Tensor) -> Tensor:
    """Complex spectra (n, rows, columns) as two channels, (n, 2, rows, columns)."""
    return torch.view_as_real(spectra.resolve_conj()).permute(0, 3, 1, 2)


def _fitted(lips: Tensor, columns: int) -> Tensor:
    """Features (n, width, n_pictures) at as many times as the spectrogram has at its bottom, by time."""
    if lips.shape[-1] == columns:
        return lips
    return nn.functional.interpolate(lips, columns, mode="linear", align_corners=False)


def _cut(film: NDArray[np.uint8], first: int, n_pictures: int) -> NDArray[np.uint8]:
    """Pictures of a film from one on; its last one stays."""
    return film[np.minimum(np.arange(first, first + n_pictures), len(film) - 1)]
