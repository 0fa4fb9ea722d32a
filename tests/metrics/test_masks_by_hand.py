"""Scores of overlap and of lesions, of masks made by hand."""

import numpy as np
import pytest

from workflow_src.metrics.lesions import score_lesions
from workflow_src.metrics.overlap import score_image


def mask(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def square(top, left, side=4, size=10):
    pixels = np.zeros((size, size), bool)
    pixels[top : top + side, left : left + side] = True
    return pixels


TWO = mask("##....", "##...#", ".....#")
NONE = mask("......", "......", "......")
LESION, FULL = square(3, 3), square(0, 0, 10)


@pytest.mark.parametrize(
    ("predicted", "true", "dice", "iou", "recall", "false"),
    [
        (TWO, TWO, 1, 1, 1, 0),
        (NONE, TWO, 0, 0, 0, 0),
        (NONE, NONE, 1, 1, 1, 0),
        (TWO, NONE, 0, 0, 0, 2),
        (mask("#.....", "......", "......"), TWO, 2 / 7, 1 / 6, 0.5, 0),  # one is touched
        (mask("#..#..", "......", "....#."), TWO, 2 / 9, 1 / 8, 0.5, 2),  # and two lie beside
        (mask("######", "######", "######"), TWO, 12 / 24, 6 / 18, 1, 0),  # one that covers both
        (mask("#.....", "......"), mask("#.....", ".#...."), 2 / 3, 1 / 2, 1, 0),  # corners touch
        (FULL, FULL, 1, 1, 1, 0),
        (FULL, LESION, 2 * 16 / 116, 16 / 100, 1, 0),
        (square(3, 4), LESION, 2 * 12 / 32, 12 / 20, 1, 0),  # off by one pixel
        (square(0, 0, 3), LESION, 0, 0, 0, 1),  # beside it
    ],
)
def test_masks_made_by_hand(predicted, true, dice, iou, recall, false):
    overlap = score_image(np.uint8(255) * predicted, true)
    lesions = score_lesions(predicted, true)
    assert (overlap.dice, overlap.iou) == pytest.approx((dice, iou))
    assert (lesions.lesion_recall, lesions.false_lesions) == (recall, false)
