"""VAE-CCA: an autoencoder a modality, latents tied by pair and by class, and a linear CCA of the latent means."""

from functools import partial
from typing import Self

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from pipeline import linalg
from pipeline.model_parts import losses
from pipeline.model_parts.cca_layer import CcaLayer
from pipeline.model_parts.deep import DEEP_SEARCH, DeepModel, DeepParams
from pipeline.model_parts.layers import HIDDEN_SEARCH, GaussianEncoder, HiddenParams, hidden_blocks, perceptron, sampled
from pipeline.model_parts.network import Network
from pipeline.model_parts.row_blocks import TrainRows, over_rows
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **DEEP_SEARCH,
    **HIDDEN_SEARCH,
    "kl_weight": ("loguniform", 1e-4, 1.0),
    "lambda_correlation": ("loguniform", 0.01, 10.0),
    "lambda_category": ("loguniform", 0.1, 10.0),
    "latent_width": [16, 32, 64],
    "n_components": ("randint", 5, 17),
    "ridge": ("loguniform", 1e-3, 1.0),
}


class Params(DeepParams, HiddenParams):
    """Section ``baselines.vae_cca`` of params.yaml.

    Attributes:
        kl_weight: of the divergence from the standard normal, beside the mean squared error of a prepared feature.
        lambda_correlation: weight of the distance between the latent means of a clip.
        lambda_category: weight of the distance between the projected latent means and the labels.
        latent_width: latents of a modality.
        n_components: width of the embedding, at most ``latent_width``.
        ridge: of the CCA, relative to the mean variance.
    """

    kl_weight: NonNegativeFloat
    lambda_correlation: NonNegativeFloat
    lambda_category: NonNegativeFloat
    latent_width: PositiveInt
    n_components: PositiveInt
    ridge: PositiveFloat

    @model_validator(mode="after")
    def _latents_have_the_components(self) -> Self:
        if self.n_components > self.latent_width:
            raise ValueError(f"n_components={self.n_components}; expected at most {self.latent_width}, latent_width")
        return self


class VaeCcaNetwork(Network):
    """An autoencoder for each modality, the classifier that both share, and the CCA of the last finished epoch."""

    audio: GaussianEncoder
    visual: GaussianEncoder

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes)
        self.audio, self.visual = _encoder(audio_width, params), _encoder(visual_width, params)
        self.audio_decoder = perceptron(params.latent_width, audio_width, params)
        self.visual_decoder = perceptron(params.latent_width, visual_width, params)
        self.classifier = nn.Linear(params.latent_width, n_classes, bias=False) if n_classes else None
        self.cca = CcaLayer(params.latent_width, params.n_components)
        self.params = params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return both autoencoders' losses plus the weighted correlation and category losses, a scalar.

        The category loss is of the rows with a label; where none has one there is no classifier.
        """
        params = self.params
        (a, a_log_variance), (v, v_log_variance) = self.audio(audio), self.visual(visual)  # (n, latent_width)
        a_decoded = self.audio_decoder(sampled(a, a_log_variance))  # (n, audio width)
        v_decoded = self.visual_decoder(sampled(v, v_log_variance))  # (n, visual width)
        error = functional.mse_loss(a_decoded, self.audio.inputs(audio))
        error = error + functional.mse_loss(v_decoded, self.visual.inputs(visual))
        divergence = losses.standard_normal_divergence(a, a_log_variance)
        divergence = divergence + losses.standard_normal_divergence(v, v_log_variance)
        correlation = losses.pairwise_correlation_loss(a, v)
        tied = params.lambda_correlation * correlation
        if self.classifier is not None:
            to_labels = partial(losses.discriminative_loss, projection=self.classifier.weight)
            tied = tied + params.lambda_category * self.of_labelled(to_labels, a, v, labels_onehot)
        return error + params.kl_weight * divergence + tied

    def finish_epoch(self, audio: TrainRows, visual: TrainRows) -> None:
        """Fit the CCA on the latent means (n, latent_width) of the train rows."""
        super().finish_epoch(audio, visual)
        views = (self.audio, audio), (self.visual, visual)
        a, v = (over_rows(partial(_latent_means, encoder), rows).cpu().numpy() for encoder, rows in views)
        self.cca.keep(linalg.cca(a, v, self.params.n_components, self.params.ridge))

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Return (n, n_components) canonical variates of the latent means of (n, audio width) features."""
        return self.cca.variates(self.audio(audio)[0], "audio")

    def embed_visual(self, visual: Tensor) -> Tensor:
        """Return (n, n_components) canonical variates of the latent means of (n, visual width) features."""
        return self.cca.variates(self.visual(visual)[0], "visual")


class Model(DeepModel):
    """Variational autoencoder with CCA; embedding takes latent means and draws nothing.

    From the paper's abstract: an autoencoder a modality, latents tied by a paired correlation and by the category, and
    a canonical correlation analysis that leads both into one space.
    Our choices: what is reconstructed are the features as the encoders see them, standardised or whitened, of mean
    square 1 both ways, so that the weights keep their meaning; the paired correlation is the distance of the latent
    means and the category loss that of DSCMR; the CCA is linear, fitted on the train rows after every epoch, the kept
    epoch's stays; sizes, AdamW and weights.

    References:
        Zhang, Yu, Tang, Wu & Li (2023), Variational Autoencoder with CCA for Audio-Visual Cross-modal Retrieval,
        ACM TOMM 19(3s).
        Kingma & Welling (2014), Auto-Encoding Variational Bayes, ICLR.
    """

    learns_from = "both"
    params_class = Params
    network_class = VaeCcaNetwork


def _latent_means(encoder: GaussianEncoder, rows: Tensor) -> Tensor:
    """The latent means (n, latent_width) of rows."""
    means: Tensor = encoder(rows)[0]
    return means


def _encoder(width: int, params: Params) -> GaussianEncoder:
    """Hidden blocks under the two heads."""
    body_width = params.hidden_width if params.n_hidden_layers else width
    body = nn.Sequential(*hidden_blocks(width, params))
    return GaussianEncoder(width, body, body_width, params.latent_width, params)
