"""What separators minimise: errors of masks and spectra, and triplets of embeddings."""

import itertools

import torch
from torch import Tensor
from torch.nn import functional

_COMPRESSION = 0.3  # of magnitudes, about as loudness grows
_TINY = 1e-8
_LEAST_ERROR = 1e-3  # of the mixture's energy, added to errors: nothing is gained beyond 30 dB
_LEAST_ERROR_ALONE = 0.1  # likewise where one source is all that is heard: nothing is gained beyond 10 dB
_SILENT = 1e-3  # of the mixture's energy: what has less is silent


def mask_errors(masks: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted squared error of complex masks, the mean over bins and over both parts.

    Args:
        masks: complex (..., n_rows, n_columns).
        targets: complex, of a shape that broadcasts with the masks.
        weights: real, likewise.

    Returns:
        (...), real.

    References:
        Gao & Grauman (2021), VisualVoice, CVPR.
    """
    difference = masks - targets
    squares = difference.real**2 + difference.imag**2
    return (weights * squares).mean(dim=(-2, -1)) / 2


def spectrum_errors(estimates: Tensor, references: Tensor) -> Tensor:
    """Return the squared distance of spectra whose magnitudes are compressed: (...), the mean over bins.

    Args:
        estimates: complex (..., n_rows, n_columns).
        references: complex, of a shape that broadcasts with the estimates.

    References:
        Ephrat et al. (2018), Looking to listen at the cocktail party, SIGGRAPH.
    """
    difference = _compressed(estimates) - _compressed(references)
    return (difference.real**2 + difference.imag**2).mean(dim=(-2, -1))


def signal_errors(estimates: Tensor, references: Tensor, mixture: Tensor) -> Tensor:
    """Return the logarithm (base 10) of the energy of the error over that of the reference: (...), minus SNR in 10 dB.

    A thousandth of the mixture's energy is added to both; a tenth where a source is silent, or all that is heard: such
    mixtures are easy, and what is gained by them in dB would outweigh all others.

    Args:
        estimates: complex (..., n_rows, n_columns).
        references: complex, of a shape that broadcasts with the estimates.
        mixture: complex, likewise.

    References:
        Wisdom et al. (2021), What's all the FUSS about free universal sound separation data?, ICASSP.

    Example:
        >>> source = torch.full((1, 4, 5), 3 + 4j)
        >>> round(float(signal_errors(0.9 * source, source, 0 * source)), 4)
        -2.0
    """
    whole, source = _energy(mixture), _energy(references)
    is_alone = torch.minimum(source, _energy(mixture - references)) < _SILENT * whole
    least = torch.where(is_alone, _LEAST_ERROR_ALONE, _LEAST_ERROR) * whole + _TINY
    return torch.log10((_energy(estimates - references) + least) / (source + least))


def binary_mask_errors(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted cross-entropy of binary masks: (...), the mean over bins.

    Args:
        logits: (..., n_rows, n_columns) before the sigmoid.
        targets: 0 or 1, of the logits' shape.
        weights: of a shape that broadcasts with the logits.
    """
    errors = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (weights * errors).mean(dim=(-2, -1))


def least_over_orders(errors: Tensor) -> Tensor:
    """Return the mean error of the best assignment of estimates to references: (batch,).

    Args:
        errors: (batch, n, n), of estimate i for reference j.

    References:
        Yu et al. (2017), Permutation invariant training of deep models for speaker-independent multi-talker speech
        separation, ICASSP.

    Example:
        >>> least_over_orders(torch.tensor([[[3.0, 1.0], [2.0, 5.0]]]))
        tensor([1.5000])
    """
    n = errors.shape[-1]
    orders = [errors[:, range(n), order].mean(dim=1) for order in itertools.permutations(range(n))]
    return torch.stack(orders).amin(dim=0)


def cosine_triplets(anchors: Tensor, positives: Tensor, negatives: Tensor, margin: float = 0.5) -> Tensor:
    """Return the mean of max(0, cos(anchor, negative) - cos(anchor, positive) + margin), a scalar.

    Args:
        anchors: (batch, width).
        positives: (batch, width), of what belongs to the anchors.
        negatives: (batch, width), of what does not.
        margin: by how much the positive is to be nearer.
    """
    near = functional.cosine_similarity(anchors, positives)
    far = functional.cosine_similarity(anchors, negatives)
    return functional.relu(far - near + margin).mean()


def match_triplets(voices: Tensor, faces: Tensor) -> Tensor:
    """Return the triplets of every voice with its own face and each other one of its mixture, a scalar, their sum.

    Args:
        voices: (batch, n_sources, width).
        faces: (batch, n_sources, width).

    References:
        Gao & Grauman (2021), VisualVoice, CVPR.
    """
    pairs = itertools.permutations(range(voices.shape[1]), 2)
    return torch.stack([cosine_triplets(voices[:, i], faces[:, i], faces[:, j]) for i, j in pairs]).sum()


def consistency_triplets(couples: Tensor) -> Tensor:
    """Return the triplets of one person's voice in two mixtures and the other voice of either, a scalar, their sum.

    Args:
        couples: (batch, 2, n_sources, width); the first source of both mixtures is one person, in other words.

    References:
        Gao & Grauman (2021), VisualVoice, CVPR.
    """
    first, second = couples[:, 0], couples[:, 1]
    others = [mixture[:, j] for mixture in (first, second) for j in range(1, couples.shape[2])]
    return torch.stack([cosine_triplets(first[:, 0], second[:, 0], other) for other in others]).sum()


def shift_triplets(film: Tensor, aligned: Tensor, shifted: Tensor, margin: float = 2.0) -> Tensor:
    """Return the mean of max(0, |film - aligned| - |film - shifted| + margin), a scalar, in Euclidean distance.

    Args:
        film: (batch, n_times), one number a time step of what is seen.
        aligned: (batch, n_times), of the sound of the same time.
        shifted: (batch, n_times), of the sound of the clip at another time.
        margin: by how much the aligned sound is to be nearer.

    References:
        Zhu & Rahtu (2022), Visually guided sound source separation and localization using self-supervised motion
        representations, WACV.
    """
    return functional.triplet_margin_loss(film, aligned, shifted, margin=margin)


def _energy(spectrum: Tensor) -> Tensor:
    """The sum of squares of complex spectra (..., n_rows, n_columns): (...)."""
    return (spectrum.real**2 + spectrum.imag**2).sum(dim=(-2, -1))


def _compressed(spectrum: Tensor) -> Tensor:
    """A complex spectrum with its magnitudes to a power below 1; smooth at 0."""
    power = spectrum.real**2 + spectrum.imag**2 + _TINY
    scaled: Tensor = spectrum * power ** ((_COMPRESSION - 1) / 2)
    return scaled
