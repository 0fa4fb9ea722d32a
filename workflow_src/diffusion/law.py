"""LAW, the Learnable Adaptive Weighter: Equations 4 to 6 of the paper, and 7 over them.

Symbols: f_t student prediction, m mask, delta δ, mu μ, w weights; all maps are (B, 1, h, w).
"""

import torch
from torch import Tensor, nn

from workflow_src.diffusion.weighting import Seen, Weighting, ratio_weights, stabilised
from workflow_src.study.synthesis import ControlNetRecipe


class LAW(Weighting):
    """φ of Eq. 4, which predicts δ, and the weights that follow from it.

    φ has three 3 × 3 convolutions with 32 hidden channels: 11,009 parameters for four latent
    channels. The last starts at zero, so that at step 0 δ = 0.5 and μ = 1 everywhere (Figure 8).

    Args:
        recipe: its tau, gamma, normalise, clamp, w_min and w_max are LAW's.
        channels: of f_t.
        hidden: channels between φ's convolutions.
    """

    has_delta = True

    def __init__(self, recipe: ControlNetRecipe, channels: int, hidden: int = 32):
        super().__init__(recipe, channels)
        self.phi = nn.Sequential(
            nn.Conv2d(channels + 1, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, 1, 3, padding=1),
        )
        for parameter in self.phi[-1].parameters():
            nn.init.zeros_(parameter)

    def delta(self, seen: Seen) -> Tensor:
        """Eq. 4: δ = σ(φ(f_t, m) / τ), (B, 1, h, w) in (0, 1)."""
        phi = self.phi(torch.cat([seen.f_t, seen.mask.to(seen.f_t.dtype)], dim=1))
        return torch.sigmoid(phi.float() / self.recipe.tau)

    def forward(self, seen: Seen, delta: Tensor | None) -> Tensor:
        """w_final, by Eqs. 5 to 7."""
        assert delta is not None  # it has_delta
        return adaptive_weights(delta, seen.mask, self.recipe)


def multiplier(delta: Tensor, gamma: float) -> Tensor:
    """Eq. 5: mu = 1 + gamma (2 delta - 1), which lies in [1 - gamma, 1 + gamma]."""
    return 1.0 + gamma * (2.0 * delta - 1.0)


def adaptive_weights(delta: Tensor, mask: Tensor, recipe: ControlNetRecipe) -> Tensor:
    """Eqs. 5 to 7: from δ and the mask to w_final, (B, 1, h, w)."""
    mu = multiplier(delta, recipe.gamma)
    w_adapt = ratio_weights(mask) * mu  # Eq. 6
    return stabilised(w_adapt, recipe)
