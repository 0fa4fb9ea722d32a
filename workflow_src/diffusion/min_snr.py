"""Min-SNR-γ weights (Hang et al., 2023): by timestep alone, without regard to the mask."""

from torch import Tensor

from workflow_src.diffusion.weighting import Seen, Weighting
from workflow_src.study.synthesis import ControlNetRecipe


class MinSNR(Weighting):
    """w_t = min(SNR_t, γ) / SNR_t, where SNR_t = ᾱ_t / (1 - ᾱ_t).

    This is the weight of the noise's squared error that weights the image's by min(SNR_t, γ): steps
    of little noise, whose signal-to-noise ratio is above γ, count less.

    Args:
        recipe: of the method.
        channels: of f_t.
        gamma: γ, 5 in Hang et al.

    Raises:
        ValueError: if gamma is not above 0.
    """

    def __init__(self, recipe: ControlNetRecipe, channels: int, gamma: float = 5.0):
        super().__init__(recipe, channels)
        if not gamma > 0:
            raise ValueError(f"gamma is {gamma}: give more than 0")
        self.gamma = gamma

    def forward(self, seen: Seen, delta: Tensor | None) -> Tensor:
        snr = seen.alpha_bar / (1 - seen.alpha_bar)
        return (snr.clamp(max=self.gamma) / snr).expand_as(seen.mask)
