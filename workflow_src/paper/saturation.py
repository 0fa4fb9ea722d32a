"""Eqs. 3 to 7 for a plain case: what a lesion of area ratio r, and its background, are weighted by.

With one mu on the lesion and one around it the equations have closed forms, in which one sees where
the clamp of Eq. 7 binds. numpy only, for the audit and Figure 1; training uses the maps.
"""

import numpy as np


def region_weights(
    r: np.ndarray,
    mu_lesion: float = 1.0,
    mu_background: float = 1.0,
    normalise: bool = True,
    bounds: tuple[float, float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights on the lesion and around it.

    Args:
        r: lesion-area ratios, in (0, 1).
        mu_lesion: multiplier (Eq. 5) on the lesion.
        mu_background: likewise, around it.
        normalise: divide by the mean of the image.
        bounds: (w_min, w_max) of Eq. 7, or None.

    Returns:
        Weights on the lesion and on the background, each of r's shape.
    """
    lesion, background = (1 - r) * mu_lesion, r * mu_background  # Eqs. 3 and 6
    if normalise:
        mean = r * lesion + (1 - r) * background
        lesion, background = lesion / mean, background / mean
    if bounds is not None:
        lesion, background = np.clip(lesion, *bounds), np.clip(background, *bounds)
    return lesion, background


def saturated_below(gamma: float, w_max: float) -> tuple[float, float]:
    """Ratios below which w_max holds the lesion: for the delta that does most against it, and for
    delta at one half.

    Normalised, the lesion has mu_l / (r (mu_l + mu_b)); that is least at mu_l = 1 - gamma and
    mu_b = 1 + gamma, where it reaches w_max at r = (1 - gamma) / (2 w_max).
    """
    return (1 - gamma) / (2 * w_max), 1 / (2 * w_max)
