"""LAW, the Learnable Adaptive Weighter: Equations 3 to 9 of the paper.

Symbols: m mask, r lesion ratio, f_t student prediction, delta δ, mu μ, w weights.
All maps are (B, 1, h, w) at latent resolution; means and sums are taken per image, so that a
result does not depend on how images are batched.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow_src.study.synthesis import ControlNetRecipe

EPSILON_S = 1e-6  # of Eq. 9


def mask_at_latent(mask: Tensor, size: tuple[int, int], how: str = "area") -> Tensor:
    """Bring masks to latent resolution.

    Args:
        mask: (B, 1, H, W) in [0, 1].
        size: (h, w), each dividing H and W.
        how: "area" averages, so that r stays and a lesion of one pixel leaves a trace; "max" keeps
            it whole; "nearest" is what public code does, and may lose it.

    Returns:
        (B, 1, h, w) in [0, 1].

    Raises:
        ValueError: if the latent size does not divide the mask's, or the way is unknown.
    """
    height, width = mask.shape[-2:]
    if height % size[0] or width % size[1]:
        raise ValueError(
            f"masks of {height}x{width} do not divide into latents of {size[0]}x{size[1]}"
        )
    kernel = (height // size[0], width // size[1])
    if how == "area":
        return F.avg_pool2d(mask, kernel)
    if how == "max":
        return F.max_pool2d(mask, kernel)
    if how == "nearest":
        return F.interpolate(mask, size, mode="nearest")
    raise ValueError(f"mask_resize is {how!r}: area, max or nearest are known")


def lesion_ratio(mask: Tensor) -> Tensor:
    """r = |m| / HW of each image, (B, 1, 1, 1)."""
    return mask.mean(dim=(1, 2, 3), keepdim=True)


def ratio_weights(mask: Tensor) -> Tensor:
    """Eq. 3: w_ratio = m (1 - r) + (1 - m) r.

    Without a lesion (r = 0) or without background (r = 1) the prior would be 0 everywhere, the loss
    would vanish and Eq. 7 divide 0 by 0; such an image is weighted uniformly by 1.
    """
    r = lesion_ratio(mask)
    w_ratio = mask * (1 - r) + (1 - mask) * r
    return torch.where((r > 0) & (r < 1), w_ratio, torch.ones_like(w_ratio))


def multiplier(delta: Tensor, gamma: float) -> Tensor:
    """Eq. 5: mu = 1 + gamma (2 delta - 1), which lies in [1 - gamma, 1 + gamma]."""
    return 1.0 + gamma * (2.0 * delta - 1.0)


def final_weights(w_adapt: Tensor, normalise: bool, bounds: tuple[float, float] | None) -> Tensor:
    """Eq. 7: w_final = clamp(w_adapt / mean(w_adapt), w_min, w_max).

    Args:
        w_adapt: (B, 1, h, w), positive.
        normalise: whether to divide by the mean of each image.
        bounds: (w_min, w_max), or None not to clamp. Note that with Eq. 3 a lesion below a quarter
            of the image has a normalised weight of 1 / 2r > 2: w_max then holds it at 2, whatever
            delta is there.
    """
    w_final = w_adapt / w_adapt.mean(dim=(1, 2, 3), keepdim=True) if normalise else w_adapt
    return w_final if bounds is None else w_final.clamp(*bounds)


def dice_regulariser(delta: Tensor, mask: Tensor) -> Tensor:
    """Eq. 9: 1 - (2 Σ δm + ε_s) / (Σ δ + Σ m + ε_s), of each image, (B,)."""
    dims = (1, 2, 3)
    overlap = 2.0 * (delta * mask).sum(dims) + EPSILON_S
    return 1.0 - overlap / (delta.sum(dims) + mask.sum(dims) + EPSILON_S)


class Weighter(nn.Module):
    """φ of Eq. 4 with its sigmoid: predicts δ from the student's prediction and the mask.

    Three 3 × 3 convolutions with 32 hidden channels: 11,009 parameters for four latent channels.
    The last starts at zero, so that at step 0 δ = 0.5 and μ = 1 everywhere (Figure 8).

    Args:
        latent_channels: channels of f_t.
        tau: temperature τ.
        hidden: hidden channels.
    """

    def __init__(self, latent_channels: int = 4, tau: float = 3.0, hidden: int = 32):
        super().__init__()
        self.tau = tau
        self.phi = nn.Sequential(
            nn.Conv2d(latent_channels + 1, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, 1, 3, padding=1),
        )
        nn.init.zeros_(self.phi[-1].weight)
        nn.init.zeros_(self.phi[-1].bias)

    def forward(self, f_t: Tensor, mask: Tensor) -> Tensor:
        """Eq. 4: δ = σ(φ(f_t, m) / τ), (B, 1, h, w) in (0, 1).

        Args:
            f_t: (B, C, h, w), the student's prediction.
            mask: (B, 1, h, w).
        """
        phi = self.phi(torch.cat([f_t, mask.to(f_t.dtype)], dim=1))
        return torch.sigmoid(phi.float() / self.tau)


def adaptive_weights(delta: Tensor, mask: Tensor, recipe: ControlNetRecipe) -> Tensor:
    """Eqs. 5 to 7: from δ and the mask to w_final, (B, 1, h, w)."""
    mu = multiplier(delta, recipe.gamma)
    w_adapt = ratio_weights(mask) * mu  # Eq. 6
    bounds = (recipe.w_min, recipe.w_max) if recipe.clamp else None
    return final_weights(w_adapt, recipe.normalise, bounds)
