"""The two losses that are tried: one over pairs of a class, one over distances to a proxy of each class."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def contrastive_loss(audio: Tensor, visual: Tensor, labels_onehot: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss of a batch, across and within the modalities.

    Audio and visual rows are 2 n anchors of unit length, z. With A(i) all of them but i, and P(i) those of A(i) that
    have the class of i: ``mean_i mean_(p in P(i)) -log(exp(z_i z_p / t) / sum_(a in A(i)) exp(z_i z_a / t))``. No P(i)
    is empty, since it has the other modality of the clip itself.

    Args:
        audio: (n, width) float; row i belongs to clip i.
        visual: (n, width) likewise.
        labels_onehot: (n, n_classes), one 1 a row.
        temperature: t, above 0.

    Returns:
        scalar, at least 0.

    References:
        Khosla et al. (2020), Supervised Contrastive Learning, NeurIPS, equation 2.
    """
    rows = functional.normalize(torch.cat([audio, visual]))  # (2 n, width)
    labels = torch.cat([labels_onehot, labels_onehot])
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    positive = (labels @ labels.T).bool() & ~itself  # (2 n, 2 n)
    logits = rows @ rows.T / temperature
    log_likelihood = logits - logits.masked_fill(itself, -torch.inf).logsumexp(dim=1, keepdim=True)
    of_anchors = (log_likelihood * positive).sum(dim=1) / positive.sum(dim=1)
    return -of_anchors.mean()


def proxy_logits(rows: Tensor, proxies: Tensor, scale: float) -> Tensor:
    """Return (n, n_classes) logits: the cosine of each row with the proxy of each class, times a scale.

    Their cross entropy is the normalised softmax.

    Args:
        rows: (n, width) float.
        proxies: (n_classes, width) likewise.
        scale: above 0.

    References:
        Wang, Xiang, Cheng & Yuille (2017), NormFace: L2 Hypersphere Embedding for Face Verification, ACM Multimedia.
        Teh, DeVries & Taylor (2020), ProxyNCA++: Revisiting and Revitalizing Proxy Neighborhood Component Analysis,
        ECCV; of unit vectors its squared distances rank as cosines do.
    """
    return scale * functional.linear(functional.normalize(rows), functional.normalize(proxies))


class Proxies(nn.Linear):
    """A classifier whose weights are the proxies of the classes, with ``proxy_logits`` as its outputs."""

    def __init__(self, linear: nn.Linear, scale: float) -> None:
        """Start with the weights (n_classes, width) of a linear classifier, whose bias is left out."""
        n_classes, width = linear.weight.shape
        super().__init__(width, n_classes, bias=False)
        self.weight = linear.weight
        self.scale = scale

    def forward(self, rows: Tensor) -> Tensor:
        """Return (n, n_classes) logits of (n, width) rows."""
        return proxy_logits(rows, self.weight, self.scale)
