"""The forward process, Equation 1, and the draws that each training step makes."""

import torch
from diffusers import DDPMScheduler
from torch import Tensor


def noise_schedule() -> DDPMScheduler:
    """Stable Diffusion's noise schedule, which the small model shares."""
    return DDPMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        clip_sample=False, steps_offset=1,
    )  # fmt: skip


def noisy_batch(
    mean: Tensor,
    std: Tensor,
    text: Tensor,
    empty: Tensor,
    schedule: DDPMScheduler,
    prompt_dropout: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Draw latents, timesteps and noise, and noise the latents by Eq. 1.

    Args:
        mean: (B, C, h, w) scaled latents.
        std: likewise, their deviations.
        text: (T, D) embedding of the prompt.
        empty: (T, D) embedding of the empty prompt.
        schedule: of the noise.
        prompt_dropout: part of the prompts replaced by the empty one.
        generator: on the CPU, so that every device trains on the same noise.

    Returns:
        On the latents' device: z_t and noise (B, C, h, w), t and alpha_bar (B,), text (B, T, D).
    """
    device, count = mean.device, len(mean)
    draw = torch.randn(mean.shape, generator=generator).to(device)
    noise = torch.randn(mean.shape, generator=generator).to(device)
    t = torch.randint(0, len(schedule), (count,), generator=generator).to(device)
    dropped = (torch.rand(count, generator=generator) < prompt_dropout).to(device)
    z_0 = mean.float() + std.float() * draw
    return {
        "z_t": schedule.add_noise(z_0, noise, t),  # Eq. 1
        "noise": noise,
        "t": t,
        "alpha_bar": schedule.alphas_cumprod.to(device)[t],
        "text": torch.where(dropped[:, None, None], empty[None], text[None]),
    }
