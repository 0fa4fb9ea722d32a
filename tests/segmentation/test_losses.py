"""The segmenters' losses: Eq. 18 against cases worked by hand, and images without a lesion."""

import math

import pytest
import torch

from workflow_src.segmentation.losses import LOSSES, bce_dice, dice_loss, structure


def maps(*rows):
    return torch.tensor(rows)[None, None]


def test_eq_18_by_hand():
    # Probability 0.5 everywhere, one lesion pixel of four. BCE: log 2 at each pixel.
    # Dice with 1 added above and below: 1 - (2 * 0.5 + 1) / (4 * 0.5 + 1 + 1) = 0.5.
    logits, target = torch.zeros(1, 1, 2, 2), maps([1.0, 0.0], [0.0, 0.0])
    assert bce_dice(logits, target).item() == pytest.approx(math.log(2) + 0.5)


def test_eq_18_by_hand_where_pixels_differ():
    # Probabilities 3/4 on the lesion pixel and 1/3 on the other.
    logits = maps([math.log(3.0), -math.log(2.0)])
    cross_entropy = -(math.log(3 / 4) + math.log(2 / 3)) / 2
    dice = 1 - (2 * 3 / 4 + 1) / (3 / 4 + 1 / 3 + 1 + 1)
    assert bce_dice(logits, maps([1.0, 0.0])).item() == pytest.approx(cross_entropy + dice)


def test_dice_is_taken_per_image_and_averaged():
    target = torch.zeros(2, 1, 4, 4)
    target[0, 0, :2] = 1
    logits = torch.full((2, 1, 4, 4), -20.0)
    logits[0][target[0] > 0] = 20.0
    logits[1] = 20.0  # right on the first image, all wrong on the second
    assert dice_loss(logits, target).item() == pytest.approx((0 + 1 - 1 / 17) / 2, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_costs_nothing(name):
    for filled in (0, 5, 16):
        target = torch.zeros(1, 1, 16, 16)
        target[..., :filled] = 1
        assert LOSSES[name](target * 80 - 40, target).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("filled", [0.0, 1.0])
@pytest.mark.parametrize("logit", [-1e4, -1.0, 0.0, 1.0, 1e4])
def test_empty_and_full_masks_give_finite_losses_and_gradients(name, filled, logit):
    logits = torch.full((2, 1, 8, 8), logit, requires_grad=True)
    loss = LOSSES[name](logits, torch.full((2, 1, 8, 8), filled))
    loss.backward()
    assert loss.isfinite()
    assert loss >= 0
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_on_an_empty_mask_less_is_better(name):
    empty = torch.zeros(1, 1, 8, 8)
    losses = [LOSSES[name](torch.full_like(empty, logit), empty) for logit in (4.0, 0.0, -4.0)]
    assert losses == sorted(losses, reverse=True)


def test_structure_loss_by_the_pixel():
    torch.manual_seed(0)
    side = 12
    logits, target = torch.randn(1, 1, side, side), torch.zeros(1, 1, side, side)
    target[..., 3:8, 4:9] = 1
    cross_entropy = overlap = union = weights = 0.0
    for y in range(side):
        for x in range(side):
            # Mean of the mask in a window of 31 around the pixel, black beyond the image.
            window = target[0, 0, max(y - 15, 0) : y + 16, max(x - 15, 0) : x + 16]
            m = target[0, 0, y, x].item()
            w = 1 + 5 * abs(window.sum().item() / 31**2 - m)
            p = 1 / (1 + math.exp(-logits[0, 0, y, x].item()))
            cross_entropy += w * -(m * math.log(p) + (1 - m) * math.log(1 - p))
            overlap += w * m * p
            union += w * (m + p - m * p)
            weights += w
    expected = cross_entropy / weights + 1 - (overlap + 1) / (union + 1)
    assert structure(logits, target).item() == pytest.approx(expected, rel=1e-5)
