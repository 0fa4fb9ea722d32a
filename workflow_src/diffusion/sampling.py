"""Sampling images from masks: DDIM with classifier-free guidance, batched, one noise per image."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline
from safetensors.torch import load_file
from torch import Tensor

from workflow_src.diffusion.backbone import (
    backbone_folder,
    embed_prompts,
    load_model,
    load_unet,
    load_vae,
    to_image_range,
)
from workflow_src.diffusion.recipes import SamplingRecipe
from workflow_src.diffusion.unet import Decoder
from workflow_src.errors import InputError
from workflow_src.training import generator_for, memory_for

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Sampler:
    """A backbone with a trained method, ready to sample.

    Args:
        backbone: the backbone's backbone.json.
        trained: folder that `train_controlnet` wrote.
        prompt: what the images are captioned.
        recipe: settings.
        device: to sample on.

    Raises:
        InputError: if the folder holds no trained method.
    """

    def __init__(
        self, backbone: Path, trained: Path, prompt: str, recipe: SamplingRecipe, device: str
    ):
        if not (trained / "controlnet" / "config.json").is_file():
            raise InputError(f"{trained} holds no trained ControlNet: it lacks controlnet/")
        unet = load_unet(backbone)
        if (trained / "decoder.safetensors").is_file():
            Decoder(unet).load_state_dict(load_file(trained / "decoder.safetensors"))
        pipeline = StableDiffusionControlNetPipeline(
            vae=load_vae(backbone),
            unet=unet,
            controlnet=load_model(ControlNetModel, trained / "controlnet"),
            scheduler=DDIMScheduler.from_pretrained(backbone_folder(backbone) / "scheduler"),
            text_encoder=None,
            tokenizer=None,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        self.pipeline = pipeline.to(device)
        if recipe.precision != "fp32":
            pipeline.to(DTYPES[recipe.precision])
        self.text, self.empty = embed_prompts(backbone, [prompt, ""]).to(device, pipeline.dtype)
        self.recipe, self.device = recipe, device
        self.factor = factor = pipeline.vae_scale_factor
        self.latent_shape = lambda side: (unet.config.in_channels, side // factor, side // factor)

    def noise(self, number: int, side: int, seed: int) -> Tensor:
        """Starting noise (C, h, w) of one image: its own whatever the batch or the shard."""
        return torch.randn(self.latent_shape(side), generator=generator_for(seed, "sample", number))

    def __call__(self, masks: np.ndarray, numbers: list[int], seed: int, channels: int):
        """Sample an image for each mask.

        Args:
            masks: (B, S, S) of 0 and 1.
            numbers: of the images, which choose their noise.
            seed: of the noise.
            channels: 3, or 1 for grey images.

        Returns:
            (B, S, S, channels) uint8.
        """
        count, side = len(masks), masks.shape[-1]
        latents = torch.stack([self.noise(n, side, seed) for n in numbers])
        hint = torch.from_numpy(masks).float().unsqueeze(1).expand(-1, 3, -1, -1)
        dtype = self.pipeline.dtype
        with memory_for(count, "lower `batch_size` of the sampling (the images stay)"):
            decoded = self.pipeline(
                prompt_embeds=self.text.expand(count, -1, -1),
                negative_prompt_embeds=self.empty.expand(count, -1, -1),
                image=hint.to(self.device, dtype),
                latents=latents.to(self.device, dtype),
                height=side,
                width=side,
                num_inference_steps=self.recipe.steps,
                guidance_scale=self.recipe.guidance,
                eta=0.0,
                output_type="pt",
            ).images
        return to_image_range(decoded * 2 - 1, channels)


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
