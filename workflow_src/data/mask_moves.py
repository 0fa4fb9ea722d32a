"""Flips, scales and shifts of masks, and of images along with them."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workflow_src.common.training import generator_for


def augmented_mask(mask: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Flip, scale and shift a mask (S, S) of 0 and 1, as mask augmentation in public work does."""
    return moved(mask[..., None], mask_move(mask, number, seed), "nearest")[..., 0]


def mask_move(mask: np.ndarray, number: int, seed: int) -> Tensor:
    """Draw a flip, scale and shift (2, 3) for a mask (S, S) of 0 and 1.

    A draw that pushes the lesion out of the picture is drawn again.
    """
    draws = generator_for(seed, "mask", number)
    for _ in range(20):
        u = torch.rand(5, generator=draws) * 2 - 1
        flip_x, flip_y = torch.sign(u[0]), torch.sign(u[1])
        scale = 1.0 / (1.0 + 0.25 * u[2])
        theta = torch.tensor([[flip_x * scale, 0, 0.25 * u[3]], [0, flip_y * scale, 0.25 * u[4]]])
        if not mask.any() or moved(mask[..., None], theta, "nearest").sum() > 0.5 * mask.sum():
            break
    return theta


def moved(picture: np.ndarray, theta: Tensor, mode: Literal["nearest", "bilinear"]) -> np.ndarray:
    """Move a picture (S, S, C) uint8 by an affine map (2, 3); what comes into view is black."""
    tensor = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
    grid = F.affine_grid(theta[None], list(tensor.shape), align_corners=False)
    result = F.grid_sample(tensor, grid, mode=mode, align_corners=False)[0]
    return result.round().byte().permute(1, 2, 0).numpy()
