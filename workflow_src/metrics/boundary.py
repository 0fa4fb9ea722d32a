"""How far the outlines of a prediction and a mask lie apart: surface Dice and Hausdorff distance.

Tools disagree about these in their last digits: MONAI's outlines and distances are taken. An
outline is the mask's pixels that have one outside it, or the image's edge, above, below or beside
them. Loading MONAI takes many seconds, so this module is imported only where it is used.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from monai.metrics.utils import get_edge_surface_distance

PERCENTILE = 95


@dataclass
class BoundaryScores:
    """Scores of one image.

    Args:
        nsd: normalised surface Dice: share of both outlines that lies within the tolerance of the
            other.
        hd95: the larger of the 95th percentiles of the two outlines' distances to each other.
    """

    nsd: float
    hd95: float


def score_boundary(
    predicted: np.ndarray,
    true: np.ndarray,
    tolerance: float,
    spacing: tuple[float, float] = (1.0, 1.0),
) -> BoundaryScores:
    """Compare two outlines.

    Where both masks are empty they agree: 1 and 0. Where one is, nsd is 0 and hd95 the image's
    diagonal, so that a model which finds nothing does not drop out of its mean.

    Args:
        predicted: (H, W) bool.
        true: (H, W) bool.
        tolerance: in the unit of the spacing.
        spacing: between rows and between columns; by default in pixels.
    """
    if not predicted.any() or not true.any():
        if predicted.any() == true.any():
            return BoundaryScores(1.0, 0.0)
        height, width = true.shape
        return BoundaryScores(0.0, float(np.hypot(height * spacing[0], width * spacing[1])))
    with warnings.catch_warnings():  # of an argument that MONAI gives itself
        warnings.simplefilter("ignore", FutureWarning)
        _, distances, _ = get_edge_surface_distance(
            torch.from_numpy(predicted), torch.from_numpy(true), spacing=spacing, symmetric=True
        )
    there, back = (one.double().numpy() for one in distances)
    within = (there <= tolerance).sum() + (back <= tolerance).sum()
    far = max(np.percentile(there, PERCENTILE), np.percentile(back, PERCENTILE))
    return BoundaryScores(float(within / (len(there) + len(back))), float(far))
