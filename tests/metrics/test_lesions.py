"""Lesions found and made up, against pixels joined plainly, and thirds by size."""

import numpy as np
import pandas as pd
import pytest

from workflow_src.metrics.lesion_sizes import SIZES, bounds_of, size_of
from workflow_src.metrics.lesions import score_lesions
from workflow_src.metrics.summary import by_case, by_size, case_means
from workflow_src.study.columns import COLUMNS


def groups(pixels):
    """Groups of pixels that touch, joined one pixel at a time."""
    left, found = set(map(tuple, np.argwhere(pixels).tolist())), []
    while left:
        group, open_ends = set(), [left.pop()]
        while open_ends:
            row, column = open_ends.pop()
            group.add((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            open_ends += near
        found.append(group)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_random_masks_against_pixels_joined_plainly(seed):
    rng = np.random.default_rng(seed)
    predicted, true = (rng.random((20, 25)) < 0.15 for _ in range(2))
    lesions, said = groups(true), groups(predicted)
    hit = sum(any(predicted[place] for place in group) for group in lesions)
    wrong = sum(not any(true[place] for place in group) for group in said)
    scores = score_lesions(predicted, true)
    assert (scores.lesion_recall, scores.false_lesions) == (hit / len(lesions), wrong)
    assert 0 < hit < len(lesions)


def test_thirds_part_the_training_lesions_evenly_and_leave_empty_masks_out():
    fractions = np.array([0.0, 0.0, *np.arange(1, 31) / 100])
    bounds = bounds_of(fractions)
    sizes = [size_of(fraction, bounds) for fraction in fractions]
    assert sizes[:2] == ["", ""]
    assert [sizes.count(size) for size in SIZES] == [10, 10, 10]
    assert sizes[2:] == sorted(sizes[2:], key=SIZES.index)
    assert bounds_of(np.zeros(3)) == [] and size_of(0.2, []) == ""


def test_the_columns_know_the_same_sizes():
    assert {column.size for column in COLUMNS.values()} == {*SIZES, None}


def scored(*rows):
    names = ("stem", "source", "case", "duplicate_of", "lesion_size", "dice", "iou",
             "overlap_pixels", "predicted_pixels", "lesion_pixels")  # fmt: skip
    return pd.DataFrame([dict(zip(names, row, strict=True)) for row in rows])


VOLUME = scored(
    ("a1", "K", "a", "", "small", 0.0, 0.0, 0, 2, 2),
    ("a2", "K", "a", "", "large", 0.8, 2 / 3, 80, 100, 100),
    ("b1", "K", "b", "", "large", 1.0, 1.0, 50, 50, 50),
    ("b2", "K", "b", "K/b1", "large", 1.0, 1.0, 50, 50, 50),
)


def test_dice_of_a_case_is_over_its_pixels_and_each_image_counts_once():
    cases = by_case(VOLUME)
    assert cases.case.tolist() == ["a", "b"]
    assert cases.dice.tolist() == pytest.approx([160 / 204, 1])
    assert cases.iou.tolist() == pytest.approx([80 / 124, 1], abs=1e-6)
    assert case_means(cases)["all"] == pytest.approx(
        {"cases": 2, "dice": (160 / 204 + 1) / 2, "iou": (80 / 124 + 1) / 2}, abs=1e-6
    )


def test_scores_by_size_are_means_of_these_images_alone():
    sizes = by_size(VOLUME)
    assert sizes["small"] == {"images": 1, "dice": 0.0, "iou": 0.0}
    assert sizes["medium"] is None
    assert sizes["large"] == pytest.approx({"images": 2, "dice": 0.9, "iou": 5 / 6})
