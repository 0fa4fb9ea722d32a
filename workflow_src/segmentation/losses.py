"""Losses on logits: Eq. 18 of the paper, and the structure loss of PraNet's recipe."""

import torch
import torch.nn.functional as F
from torch import Tensor


def dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """Soft Dice loss of each image, averaged; both (B, 1, H, W)."""
    probability = torch.sigmoid(logits)
    dims = (1, 2, 3)
    overlap = (probability * target).sum(dims)
    total = probability.sum(dims) + target.sum(dims)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def bce_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Eq. 18: binary cross-entropy and Dice loss, weighted alike."""
    return F.binary_cross_entropy_with_logits(logits, target) + dice_loss(logits, target)


def structure(logits: Tensor, target: Tensor) -> Tensor:
    """Boundary-weighted cross-entropy and IoU, both really weighted.

    The weight is 1 + 5 |avgpool31(m) - m|. (PraNet's own code passes `reduce='none'`, which PyTorch
    reads as a mean, so that its cross-entropy term is not weighted.)
    """
    near_edge = (F.avg_pool2d(target, 31, stride=1, padding=15) - target).abs()
    weight = 1 + 5 * near_edge
    dims = (1, 2, 3)
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weighted_bce = (weight * bce).sum(dims) / weight.sum(dims)
    probability = torch.sigmoid(logits)
    overlap = (weight * probability * target).sum(dims)
    union = (weight * (probability + target)).sum(dims) - overlap
    return (weighted_bce + 1 - (overlap + 1) / (union + 1)).mean()


LOSSES = {"bce_dice": bce_dice, "structure": structure}
