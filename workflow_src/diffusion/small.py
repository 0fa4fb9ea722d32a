"""A small latent-diffusion model trained from scratch, for those without Stable Diffusion."""

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from workflow_src.common.journal import Journal
from workflow_src.common.resumable import State
from workflow_src.common.training import (
    cosine,
    generator_for,
    memory_for,
    moving_average,
    resume,
    rows_of_step,
    set_rate,
    training_steps,
)
from workflow_src.diffusion.backbone import to_model_range
from workflow_src.diffusion.noising import noise_schedule, noisy_batch
from workflow_src.study.synthesis import AutoencoderRecipe, DenoiserRecipe

CROSS_ATTENTION_DIM = 32
LOG_EVERY = 20
MEMORY_KEY = "lower `batch_size` of the {} (the result changes)"


def new_autoencoder(recipe: AutoencoderRecipe) -> AutoencoderKL:
    """A small convolutional autoencoder; each level but the first halves the side."""
    levels = len(recipe.widths)
    return AutoencoderKL(
        block_out_channels=recipe.widths,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        latent_channels=recipe.latent_channels,
        norm_num_groups=8,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def train_autoencoder(
    images: np.ndarray, recipe: AutoencoderRecipe, seed: int, state: State, device: str
) -> AutoencoderKL:
    """Train an autoencoder on images (N, S, S, C) uint8; its latents get unit deviation."""
    torch.manual_seed(seed)
    vae = new_autoencoder(recipe).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=recipe.learning_rate, fused=True)
    parts = {"vae": vae, "optimizer": optimizer}
    journal = Journal(state.folder / "log.csv", LOG_EVERY)
    start = resume(state, parts, journal)
    for step in training_steps(
        state, parts, recipe.steps, recipe.checkpoint_minutes, journal, start
    ):
        set_rate(optimizer, cosine(step, recipe.steps, warmup=min(50, recipe.steps // 10 + 1)))
        rows = rows_of_step(step, recipe.batch_size, len(images), seed)
        with memory_for(recipe.batch_size, MEMORY_KEY.format("autoencoder")):
            x = to_model_range(images[rows.numpy()]).to(device, memory_format=torch.channels_last)
            posterior = vae.encode(x).latent_dist
            draw = torch.randn(posterior.mean.shape, generator=generator_for(seed, "latent", step))
            restored = vae.decode(posterior.mean + posterior.std * draw.to(device)).sample
            absolute, squared = F.l1_loss(restored, x), F.mse_loss(restored, x)
            kl = posterior.kl().mean() / posterior.mean[0].numel()
            loss = absolute + 0.5 * squared + recipe.kl_weight * kl
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        journal.add(step, {"loss": loss.detach(), "l1": absolute.detach(), "kl": kl.detach()})
    vae.eval().requires_grad_(False)
    deviation = torch.cat([vae.encode(x).latent_dist.mean for x in _batches(images, device)]).std()
    vae.register_to_config(scaling_factor=1.0 / deviation.item())
    return vae.cpu()


def reconstruction_psnr(vae, images: np.ndarray, device: str) -> float:
    """Peak signal-to-noise ratio, in dB, of images (N, S, S, C) uint8 through the autoencoder."""
    vae = vae.to(device)
    with torch.no_grad():
        errors = []
        for x in _batches(images, device):
            encoded = vae.encode(x)
            latent = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
            errors.append((vae.decode(latent).sample.clamp(-1, 1) - x).square().mean((1, 2, 3)))
    return (10 * torch.log10(4.0 / torch.cat(errors).mean())).item()


def _batches(images: np.ndarray, device: str, size: int = 32):
    for start in range(0, len(images), size):
        yield to_model_range(images[start : start + size]).to(device)


def new_denoiser(recipe: DenoiserRecipe, latent_channels: int, side: int) -> UNet2DConditionModel:
    """A small UNet of Stable Diffusion's kind; its levels below the first attend."""
    attending = len(recipe.widths) - 1
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=recipe.widths,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * attending,
        up_block_types=("CrossAttnUpBlock2D",) * attending + ("UpBlock2D",),
        layers_per_block=recipe.layers,
        cross_attention_dim=CROSS_ATTENTION_DIM,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def train_denoiser(
    mean: Tensor,
    std: Tensor,
    text: Tensor,
    empty: Tensor,
    recipe: DenoiserRecipe,
    seed: int,
    state: State,
    device: str,
) -> UNet2DConditionModel:
    """Train a UNet to denoise latents, by Eq. 2 without a mask.

    Args:
        mean: (N, C, h, w) scaled latents.
        std: likewise, their deviations.
        text: (T, D) embedding of the prompt.
        empty: (T, D) embedding of the empty prompt.
        recipe: settings.
        seed: of weights, order and noise.
        state: checkpoints and log.
        device: to train on.

    Returns:
        The moving average of the weights, on the CPU.
    """
    torch.manual_seed(seed)
    unet = new_denoiser(recipe, mean.shape[1], mean.shape[2]).to(device)
    average = moving_average(unet, recipe.ema)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=recipe.learning_rate, fused=True)
    parts = {"unet": unet, "average": average, "optimizer": optimizer}
    journal = Journal(state.folder / "log.csv", LOG_EVERY)
    start = resume(state, parts, journal)
    schedule = noise_schedule()
    for step in training_steps(
        state, parts, recipe.steps, recipe.checkpoint_minutes, journal, start
    ):
        set_rate(optimizer, cosine(step, recipe.steps, warmup=min(100, recipe.steps // 10 + 1)))
        rows = rows_of_step(step, recipe.batch_size, len(mean), seed)
        batch = noisy_batch(mean[rows], std[rows], text, empty, schedule, recipe.prompt_dropout,
                            generator_for(seed, "noise", step))  # fmt: skip
        with memory_for(recipe.batch_size, MEMORY_KEY.format("denoiser")):
            batch = {name: value.to(device) for name, value in batch.items()}
            predicted = unet(batch["z_t"], batch["t"], batch["text"]).sample
            loss = F.mse_loss(predicted, batch["noise"])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            average.update_parameters(unet)
        journal.add(step, {"loss": loss.detach()})
    return average.module.cpu()
