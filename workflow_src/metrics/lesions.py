"""Which lesions of an image are found, and which found ones are not there."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

TOUCHING = np.ones((3, 3))  # pixels that meet at a corner are of one lesion


@dataclass
class LesionScores:
    """Scores of one image.

    Args:
        lesion_recall: share of the lesions that the prediction touches.
        false_lesions: number of predicted lesions that touch none.
    """

    lesion_recall: float
    false_lesions: float


def score_lesions(predicted: np.ndarray, true: np.ndarray) -> LesionScores:
    """Count lesions, each a group of pixels that touch.

    Without a lesion, recall is 1 if none is predicted and 0 if one is, as Dice is.

    Args:
        predicted: (H, W) bool.
        true: (H, W) bool.
    """
    lesions, count = ndimage.label(true, TOUCHING)
    found, said = ndimage.label(predicted, TOUCHING)
    both = predicted & true
    hit, right = (len(np.unique(numbers[both])) for numbers in (lesions, found))
    recall = hit / count if count else float(said == 0)
    return LesionScores(recall, float(said - right))
