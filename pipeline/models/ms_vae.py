"""MS-VAE: either modality generates both through one shared decoder; no labels."""

from itertools import pairwise
from typing import Annotated, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from pipeline.model_parts import losses
from pipeline.model_parts.base import check_features
from pipeline.model_parts.deep import DEEP_SEARCH, DeepModel, DeepParams
from pipeline.model_parts.layers import GaussianEncoder, sampled
from pipeline.model_parts.network import Network
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **DEEP_SEARCH,
    "kl_weight": ("loguniform", 1e-5, 0.1),
    "lambda_latent": ("loguniform", 1e-3, 1.0),
    "latent_width": [16, 32, 64, 100],
}

Widths = Annotated[list[PositiveInt], Field(min_length=1)]


class Params(DeepParams):
    """Section ``baselines.ms_vae`` of params.yaml.

    Attributes:
        audio_widths: outputs of the audio encoder's layers below its two heads; a ReLU stands between two layers and
            none before the heads, so that one width alone makes a linear encoder.
        visual_widths: likewise of the visual encoder.
        decoder_widths: outputs of the shared decoder's layers below its last.
        latent_width: latents.
        lambda_latent: weight of the Wasserstein distance between the two latent distributions of a clip.
        first_kl_weight: of the divergence from the standard normal, in the first epochs.
        n_first_epochs: how many those are.
        kl_weight: of the divergence, thereafter.
    """

    audio_widths: Widths
    visual_widths: Widths
    decoder_widths: Widths
    latent_width: PositiveInt
    lambda_latent: NonNegativeFloat
    first_kl_weight: NonNegativeFloat
    n_first_epochs: NonNegativeInt
    kl_weight: NonNegativeFloat


class MsVaeNetwork(Network):
    """Two encoders to one latent space, and the decoder from there to visual and audio features side by side."""

    audio: GaussianEncoder
    visual: GaussianEncoder

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes)
        self.audio = _encoder(audio_width, params.audio_widths, params)
        self.visual = _encoder(visual_width, params.visual_widths, params)
        self.decoder = _layers([params.latent_width, *params.decoder_widths, visual_width + audio_width])
        self.params = params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the losses of both directions, a scalar; what is generated is prepared as the encoders' inputs are."""
        params = self.params
        pair = torch.cat([self.visual.inputs(visual), self.audio.inputs(audio)], dim=1)
        a, v = self.audio(audio), self.visual(visual)  # mean and log variance, (n, latent_width) each
        error = functional.mse_loss(self.decoder(sampled(*a)), pair) + functional.mse_loss(
            self.decoder(sampled(*v)), pair
        )
        divergence = losses.standard_normal_divergence(*a) + losses.standard_normal_divergence(*v)
        latent = 2 * wasserstein_distance(*a, *v)  # once a direction
        return error + self.kl_weight() * divergence + params.lambda_latent * latent

    def kl_weight(self) -> float:
        """Return the weight of the divergence in this epoch."""
        params = self.params
        return params.first_kl_weight if self.n_epochs_done < params.n_first_epochs else params.kl_weight

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Return (n, latents and both widths) embeddings: latent mean and generated pair, each of unit length."""
        return self._embedding(self.audio(audio)[0])

    def embed_visual(self, visual: Tensor) -> Tensor:
        """Return (n, latents and both widths) embeddings, as ``embed_audio``."""
        return self._embedding(self.visual(visual)[0])

    def _embedding(self, latent: Tensor) -> Tensor:
        """Latents and what the decoder makes of them, side by side."""
        return torch.cat([functional.normalize(latent), functional.normalize(self.decoder(latent))], dim=1)


class Model(DeepModel):
    """Variational autoencoder of multiple encoders and a shared decoder; embedding draws no latents.

    The paper's and its code's: encoders with ReLU between layers, one decoder to both modalities, squared error,
    divergence and a latent distance for each direction, the divergence's weight (0.1 for ten epochs, then 0.01), a
    score of latents and generated pairs. Our choices: the latent distance is the closed form of the 2-Wasserstein
    distance, a mean over clips, where the code takes draws of a batch; the score is a cosine of both parts, where it is
    a distance; the targets are the features as the encoders see them, standardised or whitened; and in params.yaml
    AdamW's learning rate, the epochs and fewer layers, two a modality and one for the decoder (the paper's:
    512-512-128-128 above features 512 wide, 128-128 above features 128 wide, 512-512-512-640-640 above 100 latents).

    References:
        Zhu, Wu, Latapie, Yang & Yan (2021), Learning Audio-Visual Correlations from Variational Cross-Modal Generation,
        ICASSP.
    """

    learns_from = "pairs"
    params_class = Params
    network_class = MsVaeNetwork

    def own_parts(
        self, modality: Literal["audio", "visual"], features: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what the paper's distance compares: latent means (n, latents) and generated pairs (n, both widths).

        They are not of unit length, as those in the embeddings are.

        Args:
            modality: whose features they are.
            features: (n, width).

        Raises:
            DataError: as ``embed_audio``.
        """
        network = cast("MsVaeNetwork", self._fitted())
        encoder: GaussianEncoder = getattr(network, modality)
        check_features(features, len(encoder.mean), modality)
        with torch.inference_mode():
            latents = self._in_blocks(lambda rows: encoder(rows)[0], features)
            return latents, self._in_blocks(lambda rows: network.decoder(encoder(rows)[0]), features)


def wasserstein_distance(mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor) -> Tensor:
    """Return the mean 2-Wasserstein distance of paired normal distributions with independent components.

    ``1/n sum_i sqrt(||m_i - m'_i||^2 + ||s_i - s'_i||^2)``, s the standard deviations.

    Args:
        mean: (n, width).
        log_variance: (n, width).
        other_mean: (n, width); row i pairs with row i of ``mean``.
        other_log_variance: (n, width).

    Returns:
        scalar, at least 0.
    """
    deviation, other_deviation = torch.exp(log_variance / 2), torch.exp(other_log_variance / 2)
    difference = torch.cat([mean - other_mean, deviation - other_deviation], dim=1)  # (n, 2 width)
    distance: Tensor = torch.linalg.vector_norm(difference, dim=1)  # (n,)
    return distance.mean()


def _layers(widths: list[int]) -> nn.Sequential:
    """Linear maps from each width to the next, ReLU between them."""
    layers: list[nn.Module] = [nn.Linear(widths[0], widths[1])]
    for width, next_width in pairwise(widths[1:]):
        layers += [nn.ReLU(), nn.Linear(width, next_width)]
    return nn.Sequential(*layers)


def _encoder(width: int, widths: list[int], params: Params) -> GaussianEncoder:
    """Layers under the two heads."""
    return GaussianEncoder(width, _layers([width, *widths]), widths[-1], params.latent_width, params)
