"""Training batches of segmenters: image and mask stay together, crops, the size that is wanted."""

import numpy as np
import pytest
import torch

from workflow_src.common.errors import InputError
from workflow_src.common.training import generator_for, rows_of_step
from workflow_src.segmentation.batches import MEAN, STD, Batches, normalised
from workflow_src.study.segmentation import SegmenterRecipe


def batches(prepared, **settings):
    settings = {"image_size": 32, "fit": "resize"} | settings
    return Batches(prepared, prepared.rows("train"), SegmenterRecipe(**settings), "cpu")


def show_mask_as_image(made):
    """Make the images the masks themselves, so that both must undergo the same."""
    made.images = (made.masks * 255).expand(-1, 3, -1, -1).contiguous()
    return made


def test_flips_and_rotations_move_image_and_mask_alike(polyps):
    made = show_mask_as_image(batches(polyps))
    numbers, moved = torch.arange(len(made)), 0
    for step in range(5):
        x, y = made.augmented(made.drawn(numbers, generator_for(0, "augment", step)))
        # Where the image is the mask, its brightness says what the mask must be. What rotation
        # brings in from beyond the corners has the mean colour, 0, and is background.
        level = x[:, :1] * STD[0] + MEAN[0]
        bright = torch.where(x[:, :1] == 0, 0.0, level)
        sure = (bright - 0.5).abs() > 0.3
        torch.testing.assert_close((bright > 0.5).float()[sure], y[sure])
        moved += int((y != made.masks[numbers]).any(dim=(1, 2, 3)).sum())
    assert moved > 2 * len(made)


def test_without_flips_and_rotations_batches_are_the_images(polyps):
    made = batches(polyps, flips=False, rotate=0.0)
    x, y = made.augmented(made.drawn(torch.arange(4), generator_for(0)))
    torch.testing.assert_close(x, normalised(made.images[:4]), rtol=0, atol=1e-4)
    torch.testing.assert_close(y, made.masks[:4].float())


def test_rotations_keep_within_the_limit(polyps):
    made = batches(polyps, flips=False, rotate=10.0)
    line = torch.zeros_like(made.masks)
    line[:, :, 15:17] = 1  # a horizontal bar
    made.masks = line
    _, y = made.augmented(made.drawn(torch.arange(len(made)), generator_for(0)))
    # At half the width, 15.5 pixels from the centre, 10 degrees move the bar by 2.7 pixels.
    assert y[:, 0, 19:].sum() == y[:, 0, :13].sum() == 0
    assert (y != line).any()


def test_crops_are_read_from_native_images(native_polyps):
    made = batches(native_polyps, fit="crop", image_size=32)
    x, y = made.augmented(made.drawn(torch.arange(len(made)), generator_for(0)))
    assert x.shape == (len(made), 3, 32, 32)
    assert y.shape == (len(made), 1, 32, 32)
    images, masks = made.plain(torch.tensor([2]))
    image, mask = native_polyps.image(made.rows[2]), native_polyps.mask(made.rows[2])
    top, left = (round((length - 32) / 2) for length in mask.shape)
    window = slice(top, top + 32), slice(left, left + 32)
    np.testing.assert_array_equal(images[0].permute(1, 2, 0), image[window])
    np.testing.assert_array_equal(masks[0, 0], mask[window])


def test_an_image_smaller_than_the_crop_is_centred_on_black(native_polyps):
    made = batches(native_polyps, fit="crop", image_size=128)
    images, masks = made.plain(torch.tensor([0]))
    mask = native_polyps.mask(made.rows[0])
    assert max(mask.shape) < 128
    top, left = ((128 - length) // 2 for length in mask.shape)
    inside = masks[0, 0, top : top + mask.shape[0], left : left + mask.shape[1]]
    np.testing.assert_array_equal(inside, mask)
    assert masks.sum() == mask.sum()
    assert images[..., :top, :].max() == 0


def test_a_set_of_another_size_is_refused(polyps, native_polyps):
    with pytest.raises(InputError, match="prepared at 32 size but the recipe .*wants 64"):
        batches(polyps, image_size=64)
    with pytest.raises(InputError, match="prepared at 32 size but .*crop.* wants native"):
        batches(polyps, fit="crop")
    with pytest.raises(InputError, match="prepared at native size but .*resize.* wants 32"):
        batches(native_polyps)


def test_grey_images_become_three_equal_channels():
    grey = torch.randint(0, 256, (1, 1, 4, 4), dtype=torch.uint8)
    torch.testing.assert_close(normalised(grey), normalised(grey.repeat(1, 3, 1, 1)))


def test_an_epoch_sees_each_image_once_and_the_next_in_another_order():
    seen = torch.cat([rows_of_step(step, 4, 10, seed=0) for step in range(5)]).tolist()
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
    assert seen != torch.cat([rows_of_step(step, 4, 10, seed=1) for step in range(5)]).tolist()
