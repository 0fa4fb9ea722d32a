"""Thirds of lesions by size: small, medium and large, as the training set has them."""

import numpy as np

SIZES = ("small", "medium", "large")
THIRDS = (1 / 3, 2 / 3)


def bounds_of(fractions: np.ndarray) -> list[float]:
    """Where the training set's lesions part into thirds, as fractions of the image.

    Args:
        fractions: (N,) lesion pixels over all pixels of each training image; images without a
            lesion do not count.

    Returns:
        The two bounds; none where no image has a lesion.
    """
    lesions = fractions[fractions > 0]
    return np.quantile(lesions, THIRDS).tolist() if len(lesions) else []


def size_of(fraction: float, bounds: list[float]) -> str:
    """Which third a lesion belongs to; "" without a lesion, or without bounds.

    Args:
        fraction: of the image's pixels.
        bounds: as of `bounds_of`; a lesion of exactly a bound belongs above it.
    """
    if not fraction or not bounds:
        return ""
    return SIZES[int(np.searchsorted(bounds, fraction, side="right"))]
