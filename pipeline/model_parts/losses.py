"""Losses of batches of embeddings: pure functions that return a scalar, with finite gradients at zero vectors."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

_SQUARED_NORM_FLOOR = 1e-8  # added under the square root, so that a zero row has a finite gradient
_VARIANCE_FLOOR = 1e-9  # keeps the covariance of a collapsed batch invertible
_PROBABILITY_FLOOR = 1e-300  # of the agreement of two clips, in float64; its logarithm stays finite


def pairwise_correlation_loss(audio: Tensor, visual: Tensor) -> Tensor:
    """Mean distance between the audio and the visual embedding of a clip.

    ``1/n sum_i ||a_i - v_i||_2``

    Args:
        audio: (n, width) float; row i belongs to clip i.
        visual: (n, width) likewise.

    Returns:
        scalar, at least 0.

    References:
        Zeng et al. (2023), Learning Explicit and Implicit Dual Common Subspaces for Audio-visual Cross-modal
        Retrieval, ACM TOMM 19(2s).
    """
    distance: Tensor = torch.linalg.vector_norm(audio - visual, dim=1)  # (n,)
    return distance.mean()


def likelihood_loss(audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
    """Negative log-likelihood that rows of one class are similar and rows of two classes are not.

    ``1/n^2 sum_ij log(1 + exp(t_ij)) - S_ij t_ij``, with ``t = cos / 2`` and S = 1 where the classes agree; summed over
    audio with visual, audio with audio, and visual with visual.

    Args:
        audio: (n, width) float.
        visual: (n, width) float.
        labels_onehot: (n, n_classes), one 1 a row; a row of zeros is a clip of its own class.

    Returns:
        scalar, above 0: no cosine brings it there.

    References:
        Zhen et al. (2019), Deep Supervised Cross-Modal Retrieval, CVPR.
    """
    audio, visual = _unit_rows(audio), _unit_rows(visual)
    same_class = _same_class(labels_onehot)  # (n, n)
    total = audio.new_zeros(())
    for left, right in ((audio, visual), (audio, audio), (visual, visual)):
        half_cosine = left @ right.T / 2  # (n, n)
        total = total + (functional.softplus(half_cosine) - same_class * half_cosine).mean()
    return total


def agreement_loss(audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
    """Negative log-likelihood that a clip picks one of its class, when it picks those that probably share its state.

    Embeddings are logits of latent states. ``p_ij = softmax(a_i) . softmax(v_j)`` is the probability that one draw of
    audio ``i`` and one of visual ``j`` are the same state, and a clip picks with probability proportional to it among
    the clips of the other modality: ``-1/n sum_i mean_(j of class y_i) log(p_ij / sum_k p_ik)``, the mean of both ways.

    Args:
        audio: (n, n_states) float.
        visual: (n, n_states) float.
        labels_onehot: (n, n_classes), one 1 a row; a row of zeros is a clip of its own class, whose picks are itself.

    Returns:
        scalar, at least 0.

    References:
        Khosla et al. (2020), Supervised Contrastive Learning, NeurIPS, for the likelihood over all rows of a class.
        van den Oord, Li & Vinyals (2018), Representation Learning with Contrastive Predictive Coding, for that of a
        clip's own partner among others, which it is without labels.
    """
    same_class = _same_class(labels_onehot)  # (n, n)
    targets = same_class / same_class.sum(dim=1, keepdim=True)  # (n, n), symmetric
    agreement = functional.softmax(audio.double(), dim=1) @ functional.softmax(visual.double(), dim=1).T  # (n, n)
    log_agreement = agreement.clamp(min=_PROBABILITY_FLOOR).log().to(audio.dtype)
    audio_to_visual = functional.cross_entropy(log_agreement, targets)
    return (audio_to_visual + functional.cross_entropy(log_agreement.T, targets)) / 2


def cca_loss(audio: Tensor, visual: Tensor, n_components: int, ridge: float) -> Tensor:
    """Minus the sum of the largest canonical correlations of the batch.

    The singular values of ``L_a^-1 C_av L_v^-T``, where ``L L^T`` is a modality's covariance plus
    ``ridge * trace / width`` on the diagonal. Computed in float64; only singular values are differentiated, so that
    equal ones do no harm. The ridge is relative to the variance: scaling an embedding cannot escape it.

    Args:
        audio: (n, audio width) float; row i belongs to clip i. n well above both widths, or chance correlates.
        visual: (n, visual width) likewise.
        n_components: correlations to sum; at most the smaller width.
        ridge: share of the mean variance, above 0.

    Returns:
        scalar of the dtype of ``audio``, in [-n_components, 0].

    References:
        Andrew et al. (2013), Deep Canonical Correlation Analysis, ICML; there the ridge is absolute.
    """
    audio_centred, visual_centred = _centred(audio.double()), _centred(visual.double())
    cross = audio_centred.T @ visual_centred / len(audio)  # (audio width, visual width)
    return -_correlations(cross, audio_centred, visual_centred, ridge)[:n_components].sum().to(audio.dtype)


def discriminative_loss(
    audio: Tensor, visual: Tensor, labels_onehot: Tensor, projection: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Mean distance between the projected embeddings and the one-hot labels, summed over the two modalities.

    ``1/n sum_i ||P a_i + b - y_i||_2 + ||P v_i + b - y_i||_2``

    Args:
        audio: (n, width) float.
        visual: (n, width) float.
        labels_onehot: (n, n_classes), one 1 a row.
        projection: P, (n_classes, width); one for both modalities.
        bias: b, (n_classes,); None for 0.

    Returns:
        scalar, at least 0.

    References:
        Zhen et al. (2019), Deep Supervised Cross-Modal Retrieval, CVPR.
    """
    targets = labels_onehot if bias is None else labels_onehot - bias
    audio_distance: Tensor = torch.linalg.vector_norm(audio @ projection.T - targets, dim=1)  # (n,)
    visual_distance: Tensor = torch.linalg.vector_norm(visual @ projection.T - targets, dim=1)  # (n,)
    return (audio_distance + visual_distance).mean()


def constraint_loss(explicit: Tensor, implicit: Tensor) -> Tensor:
    """Return how much two embeddings of one set of rows repeat each other: 0 where they are orthogonal.

    ``||1/n sum_i e_i i_i^T||_F^2``, the rows of both centred over the batch and then scaled to unit length. The mean
    over rows, where the papers sum, keeps the value independent of the batch size: a batch repeated twice has the same.

    Args:
        explicit: (n, explicit width) float.
        implicit: (n, implicit width) float; row i of both comes from one input.

    Returns:
        scalar in [0, 1].

    References:
        Bousmalis et al. (2016), Domain Separation Networks, NeurIPS.
        Hazarika et al. (2020), MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment
        Analysis, ACM Multimedia; centring and unit rows are from there.
    """
    overlap = _unit_rows(_centred(explicit)).T @ _unit_rows(_centred(implicit)) / len(explicit)
    return overlap.square().sum()


def _same_class(labels_onehot: Tensor) -> Tensor:
    """1 where two clips share their class, else 0, (n, n); a clip without a label shares its with itself alone."""
    return (labels_onehot @ labels_onehot.T).fill_diagonal_(1)


def _unit_rows(rows: Tensor) -> Tensor:
    """Rows scaled to unit length; a zero row stays zero."""
    return rows * torch.rsqrt(rows.square().sum(dim=1, keepdim=True) + _SQUARED_NORM_FLOOR)


def _centred(rows: Tensor) -> Tensor:
    """Rows less their mean."""
    return rows - rows.mean(dim=0)


def _correlations(cross: Tensor, audio: Tensor, visual: Tensor, ridge: float) -> Tensor:
    """Canonical correlations, falling, of ``cross`` (audio width, visual width) and the centred rows of both sides."""
    audio_factor, visual_factor = (_covariance_factor(rows, ridge) for rows in (audio, visual))
    half_whitened = torch.linalg.solve_triangular(audio_factor, cross, upper=False)
    whitened = torch.linalg.solve_triangular(visual_factor, half_whitened.T, upper=False)  # (visual, audio width)
    correlations: Tensor = torch.linalg.svdvals(whitened)
    return correlations


def _covariance_factor(centred: Tensor, ridge: float) -> Tensor:
    """Lower Cholesky factor of the covariance of centred rows with a ridge relative to its mean variance."""
    covariance = centred.T @ centred / len(centred)  # (width, width)
    diagonal = ridge * covariance.diagonal().mean() + _VARIANCE_FLOOR
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    factor: Tensor = torch.linalg.cholesky(covariance + diagonal * identity)
    return factor


def cluster_cca_loss(audio: Tensor, visual: Tensor, labels_onehot: Tensor, n_components: int, ridge: float) -> Tensor:
    """Minus the sum of the largest canonical correlations of all pairs (audio_i, visual_j) of one class.

    No pair is made: a row occurs once for each row of its class, and the sum over the pairs of a class factorises into
    the two class means. Computed in float64, with the ridge of ``cca_loss``.

    Args:
        audio: (n, audio width) float.
        visual: (n, visual width) float.
        labels_onehot: (n, n_classes), one 1 a row.
        n_components: correlations to sum; only as many as the batch has classes, less one, can be above 0.
        ridge: share of the mean variance, above 0.

    Returns:
        scalar of the dtype of ``audio``, in [-n_components, 0].

    References:
        Rasiwasia et al. (2014), Cluster canonical correlation analysis, AISTATS.
        Zeng, Yu & Oyama (2018), Audio-Visual Embedding for Cross-Modal Music Video Retrieval through Supervised Deep
        CCA, IEEE International Symposium on Multimedia, for a network trained on it.
    """
    onehot = labels_onehot.double()
    counts = onehot.sum(dim=0)  # (n_classes,)
    share = counts.square() / counts.square().sum()  # of the pairs, by class
    row_share = onehot @ (share / counts.clamp(min=1))  # (n,), of the pairs, by row
    means, scaled = [], []
    for rows in (audio.double(), visual.double()):
        centred = rows - row_share @ rows
        means.append(onehot.T @ centred / counts.clamp(min=1)[:, None])  # (n_classes, width)
        scaled.append(centred * (row_share * len(rows)).sqrt()[:, None])  # (n, width), for a mean over n rows
    cross = means[0].T @ (share[:, None] * means[1])  # (audio width, visual width)
    return -_correlations(cross, scaled[0], scaled[1], ridge)[:n_components].sum().to(audio.dtype)


def cross_modal_triplet_loss(
    audio: Tensor, visual: Tensor, labels_onehot: Tensor, margin: float, triplets: Literal["all", "hardest"]
) -> Tensor:
    """How far other classes' rows of the other modality intrude upon those of an anchor's own class.

    The mean of ``max(0, margin - cos(anchor, positive) + cos(anchor, negative))``, over anchors of both modalities;
    positive and negative are always of the modality that the anchor is not of.

    Args:
        audio: (n, width) float; row i belongs to clip i.
        visual: (n, width) likewise.
        labels_onehot: (n, n_classes), one 1 a row.
        margin: by which a positive's cosine should exceed a negative's, above 0.
        triplets: ``all``: the mean over every triplet, n^3 numbers; ``hardest``: of each anchor, the farthest positive
            and the nearest negative.

    Returns:
        scalar, at least 0; 0 where the batch has one class.

    References:
        Zeng, Yu & Oyama (2020), Deep Triplet Neural Networks with Cluster-CCA for Audio-Visual Cross-modal Retrieval,
        ACM TOMM 16(3).
        Hermans, Beyer & Leibe (2017), In Defense of the Triplet Loss for Person Re-Identification, for the hardest.
    """
    cosines = _unit_rows(audio) @ _unit_rows(visual).T  # (n, n)
    positive = (labels_onehot @ labels_onehot.T).bool()  # (n, n)
    of_triplets = _mean_of_all_triplets if triplets == "all" else _mean_of_hardest_triplets
    return (of_triplets(cosines, positive, margin) + of_triplets(cosines.T, positive, margin)) / 2


def _mean_of_all_triplets(cosines: Tensor, positive: Tensor, margin: float) -> Tensor:
    """The mean hinge over (anchor, positive, negative) in rows of cosines (n, n)."""
    valid = positive[:, :, None] & ~positive[:, None, :]  # (anchor, positive, negative)
    hinge = functional.relu(margin - cosines[:, :, None] + cosines[:, None, :])
    return (hinge * valid).sum() / valid.sum().clamp(min=1)


def _mean_of_hardest_triplets(cosines: Tensor, positive: Tensor, margin: float) -> Tensor:
    """The mean hinge over anchors; one without a negative costs nothing."""
    farthest_positive = cosines.masked_fill(~positive, torch.inf).amin(dim=1)  # (n,)
    nearest_negative = cosines.masked_fill(positive, -torch.inf).amax(dim=1)  # (n,)
    return functional.relu(margin - farthest_positive + nearest_negative).mean()


def standard_normal_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of normal distributions with independent components from the standard normal.

    ``1/n sum_i 1/2 sum_k (m_ik^2 + s_ik^2 - log s_ik^2 - 1)``

    Args:
        mean: (n, width) float.
        log_variance: (n, width), log s^2.

    Returns:
        scalar, at least 0; 0 for the standard normal itself.

    References:
        Kingma & Welling (2014), Auto-Encoding Variational Bayes, ICLR.
    """
    divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1) / 2  # (n,)
    return divergence.mean()
