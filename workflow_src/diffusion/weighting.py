"""Weights of the diffusion loss: what each must be, those without learned parts, and Eqs. 3 and 7.

Symbols: m mask, r lesion ratio, f_t student prediction, delta δ, w weights.
All maps are (B, 1, h, w) at latent resolution; means and sums are taken per image, so that a
result does not depend on how images are batched.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow_src.study.synthesis import ControlNetRecipe


class Seen(NamedTuple):
    """What a weighting may look at in a batch."""

    mask: Tensor  # m, (B, 1, h, w) in [0, 1]
    f_t: Tensor  # the student's prediction, (B, C, h, w); cut from the graph if detach_features
    t: Tensor  # timesteps, (B,) int64
    alpha_bar: Tensor  # ᾱ_t of Eq. 1, (B, 1, 1, 1) in (0, 1)


class Weighting(nn.Module):
    """What every weighting is: weights of the squared gaps of Eqs. 8 and 11.

    The weights are (B, 1, h, w), finite, at least 0, and those of an image must not depend on the
    other images of its batch. They multiply what the loss averages over pixels and channels, so
    weights of 1 leave it as it is.

    A weighting may learn. Its parameters are trained by Eq. 8 through the weights (unless
    detach_weights), at weighter_learning_rate, and saved with the ControlNet. It may also have a
    map δ, (B, 1, h, w) in (0, 1), high where it looks: then it sets has_delta, and Eq. 9 compares δ
    with the mask (lambda_dice), the log follows it, and snapshots of it are kept as for Figure 8.

    Args:
        recipe: of the method, for settings that weightings share.
        channels: of f_t.
        options: any more that a weighting takes are the method's weighting_options.
    """

    has_delta = False

    def __init__(self, recipe: ControlNetRecipe, channels: int):
        super().__init__()
        self.recipe, self.channels = recipe, channels

    def delta(self, seen: Seen) -> Tensor:
        """δ of a batch; called once a step, and only of a weighting that has_delta."""
        raise NotImplementedError

    def forward(self, seen: Seen, delta: Tensor | None) -> Tensor:
        """The weights of a batch, with its δ where the weighting has one."""
        raise NotImplementedError


class Uniform(Weighting):
    """1 everywhere, which makes Eq. 8 the plain Eq. 2."""

    def forward(self, seen: Seen, delta: Tensor | None) -> Tensor:
        return torch.ones_like(seen.mask)


class Ratio(Weighting):
    """Eq. 3 as it stands: ArSDM's prior."""

    def forward(self, seen: Seen, delta: Tensor | None) -> Tensor:
        return ratio_weights(seen.mask)


class RatioClamped(Weighting):
    """Eqs. 3 and 7: LAW without δ, to tell what its normalisation and clamp do by themselves."""

    def forward(self, seen: Seen, delta: Tensor | None) -> Tensor:
        return stabilised(ratio_weights(seen.mask), self.recipe)


def mask_at_latent(mask: Tensor, size: Sequence[int], how: str = "area") -> Tensor:
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


def stabilised(w_adapt: Tensor, recipe: ControlNetRecipe) -> Tensor:
    """Eq. 7 with the normalisation and the bounds of a recipe."""
    bounds = (recipe.w_min, recipe.w_max) if recipe.clamp else None
    return final_weights(w_adapt, recipe.normalise, bounds)
