"""Outlines compared: masks made by hand, and every distance between outlines computed plainly."""

import numpy as np
import pytest

from workflow_src.metrics.boundary import score_boundary


def square(top, left, side=6, shape=(16, 20)):
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


LESION, EMPTY = square(4, 4), np.zeros((16, 20), bool)


@pytest.mark.parametrize(
    ("predicted", "tolerance", "nsd", "hd95"),
    [
        (LESION, 0, 1, 0),
        (square(4, 7), 3, 1, 3),  # three columns beside it
        (square(5, 5, 4), 0.5, 0, 2**0.5),  # a pixel within: corners lie diagonally
        (square(5, 5, 4), 1, (12 + 16) / (12 + 20), 2**0.5),
        (EMPTY, 2, 0, np.hypot(16, 20)),
    ],
)
def test_masks_made_by_hand(predicted, tolerance, nsd, hd95):
    for pair in ((predicted, LESION), (LESION, predicted)):
        scores = score_boundary(*pair, tolerance)
        assert (scores.nsd, scores.hd95) == pytest.approx((nsd, hd95))


def test_two_empty_masks_agree():
    scores = score_boundary(EMPTY, EMPTY, 1)
    assert (scores.nsd, scores.hd95) == (1, 0)


def test_millimetres_count_where_the_spacing_is_given():
    below, beside = square(6, 4), square(4, 6)
    for moved, apart in ((below, 1.0), (beside, 3.0)):  # by two rows, by two columns
        scores = score_boundary(moved, LESION, 1.0, (0.5, 1.5))
        assert scores.hd95 == pytest.approx(apart)
        assert (scores.nsd == 1) == (apart == 1.0)
    assert score_boundary(EMPTY, LESION, 1, (0.5, 1.5)).hd95 == pytest.approx(np.hypot(8, 30))


def outline(mask, spacing):
    """Places of the pixels that have a neighbour outside the mask."""
    around = np.pad(mask, 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return np.argwhere(mask & ~inner) * spacing


@pytest.mark.parametrize("seed", range(6))
def test_every_distance_computed_plainly(seed):
    rng = np.random.default_rng(seed)
    spacing = np.array([0.7, 1.3]) if seed % 2 else np.ones(2)
    masks = [rng.random((24, 31)) < share for share in rng.uniform(0.02, 0.9, 2)]
    edges = [outline(mask, spacing) for mask in masks]
    apart = np.linalg.norm(edges[0][:, None] - edges[1], axis=2)
    nearest = apart.min(axis=1), apart.min(axis=0)
    scores = score_boundary(*masks, 1.2, tuple(spacing))
    assert scores.nsd == pytest.approx(np.concatenate(nearest).__le__(1.2).mean())
    assert scores.hd95 == pytest.approx(max(np.percentile(near, 95) for near in nearest))
