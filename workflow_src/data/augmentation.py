"""Plain augmentation of real images: the control of the synthetic ones."""

import numpy as np

from workflow_src.data.mask_moves import mask_move, moved


def moved_pair(
    image: np.ndarray, mask: np.ndarray, number: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Image (S, S, C) and mask (S, S), moved as the methods' number-th mask is."""
    theta = mask_move(mask, number, seed)
    return moved(image, theta, "bilinear"), moved(mask[..., None], theta, "nearest")[..., 0]


def recoloured(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change gamma, contrast and brightness of an image (S, S, C) uint8, and add a little noise."""
    gamma, contrast, brightness = rng.uniform((0.8, 0.8, -0.1), (1.25, 1.2, 0.1))
    light = (image / 255.0) ** gamma
    light = (light - light.mean()) * contrast + light.mean() + brightness
    light += rng.normal(0, 0.01, light.shape)
    return np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)
