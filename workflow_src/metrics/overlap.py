"""The one evaluator behind every segmentation number: Dice and IoU per image, at original size.

The field's papers each define these otherwise; all common definitions are computed side by side, so
that a number can be compared with the one it resembles:

    dice, iou          foreground, probability at least 0.5: the numbers of the tables
    dice_min_max       likewise after stretching each map to [0, 1], as EMCAD's code does
    dice_256, iou_256  mean over 256 thresholds of the stretched map, as PraNet's code and tool do
    dice_class_mean    mean of foreground and background
    iou_class_mean     likewise; it exceeds foreground Dice easily, and is the likeliest reason why
                       the paper reports a mean IoU above its mean Dice, which no image allows
    sensitivity        share of the lesion that is found; precision, of what is found that is lesion

A mask and a prediction that are both empty agree: 1. One of them empty: 0.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LEVELS = 256
HALF = 128  # first level of probability 0.5 and more
DIGITS = 7  # that are kept of a score: what float32 predictions can tell
ROUNDING = 3 * 10**-DIGITS  # what it can move D / (2 - D) and IoU apart by, and a little


@dataclass
class Scores:
    """Scores of one image."""

    dice: float
    iou: float
    dice_min_max: float
    iou_min_max: float
    dice_256: float
    iou_256: float
    dice_class_mean: float
    iou_class_mean: float
    sensitivity: float
    precision: float
    overlap_pixels: int  # at 0.5, as are those below; their sums give the Dice of a whole case
    predicted_pixels: int
    lesion_pixels: int


def dice_iou(overlap, predicted, true) -> tuple[np.ndarray, np.ndarray]:
    """Dice and IoU from pixel counts; 1 where both masks are empty."""
    overlap, total = np.asarray(overlap, float), np.asarray(predicted + true, float)
    empty = total == 0
    dice = np.where(empty, 1.0, 2 * overlap / np.where(empty, 1, total))
    iou = np.where(empty, 1.0, overlap / np.where(empty, 1, total - overlap))
    return dice, iou


def score_image(levels: np.ndarray, mask: np.ndarray) -> Scores:
    """Score one prediction.

    Args:
        levels: (H, W) uint8, probability × 255.
        mask: (H, W) of 0 and 1.

    Raises:
        ValueError: if their sizes differ.
    """
    if levels.shape != mask.shape:
        raise ValueError(f"prediction of {levels.shape} against a mask of {mask.shape}")
    # Two histograms hold all that any threshold can ask.
    inside = np.bincount(levels[mask > 0], minlength=LEVELS)
    outside = np.bincount(levels[mask == 0], minlength=LEVELS)
    hit = inside[::-1].cumsum()[::-1]  # true positives if levels >= t are foreground
    said = hit + outside[::-1].cumsum()[::-1]
    true, pixels = inside.sum(), mask.size

    dice, iou = dice_iou(hit, said, true)
    background_hit = pixels - said - true + hit
    background_dice, background_iou = dice_iou(background_hit, pixels - said, pixels - true)
    low, high = int(levels.min()), int(levels.max())
    if high == low:  # a constant map cannot be stretched
        low, high = 0, LEVELS - 1
    # The first level that reaches each of 256 thresholds, and one half, once the map is stretched.
    stretched = np.ceil(low + np.arange(LEVELS) * (high - low) / (LEVELS - 1)).astype(int)
    middle = int(np.ceil(low + (high - low) / 2))
    found, predicted, lesion = int(hit[HALF]), int(said[HALF]), int(true)
    agree = float(predicted == lesion)  # where one of them is empty
    # PraNet's tool scores 0 whenever nothing is hit, so also where both masks are empty.
    strict = hit > 0
    return Scores(
        dice=float(dice[HALF]),
        iou=float(iou[HALF]),
        dice_min_max=float(dice[middle]),
        iou_min_max=float(iou[middle]),
        dice_256=float(np.where(strict, dice, 0)[stretched].mean()),
        iou_256=float(np.where(strict, iou, 0)[stretched].mean()),
        dice_class_mean=float((dice[HALF] + background_dice[HALF]) / 2),
        iou_class_mean=float((iou[HALF] + background_iou[HALF]) / 2),
        sensitivity=found / lesion if lesion else agree,
        precision=found / predicted if predicted else agree,
        overlap_pixels=found,
        predicted_pixels=predicted,
        lesion_pixels=lesion,
    )


def check_bounds(dice: float, iou: float, where: str) -> None:
    """Mean Dice and mean IoU of the same images must satisfy D / (2 - D) <= IoU <= D.

    Every such pair of the evaluator must, but for the rounding of `scores_row`.

    Raises:
        ArithmeticError: if not, which no set of masks can cause.
    """
    if not dice / (2 - dice) - ROUNDING <= iou <= dice + ROUNDING:
        raise ArithmeticError(f"{where}: mean IoU {iou} is impossible with mean Dice {dice}")


def scores_row(scores: Any) -> dict[str, float]:
    """Scores of any of the evaluator's kinds as columns, rounded."""
    return {name: round(value, DIGITS) for name, value in asdict(scores).items()}
