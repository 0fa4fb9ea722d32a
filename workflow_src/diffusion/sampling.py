"""Sampling images from masks: DDIM with classifier-free guidance, batched, one noise per image."""

from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline
from safetensors.torch import load_file
from torch import Tensor

from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.json_files import facts_of
from workflow_src.common.training import generator_for, memory_for
from workflow_src.data.arrays import check_made
from workflow_src.diffusion.backbone import (
    DTYPES,
    backbone_folder,
    embed_prompts,
    load_model,
    load_unet,
    load_vae,
    to_image_range,
)
from workflow_src.diffusion.unet import Decoder
from workflow_src.study.synthesis import SamplingRecipe


def check_trained(trained: Path, backbone: Path) -> None:
    """Check that a trained method is whole, and that of a backbone.

    Args:
        trained: folder that `train_controlnet` wrote.
        backbone: the backbone's backbone.json.

    Raises:
        InputError: naming what is missing, changed, or of another backbone.
    """
    if not (trained / "controlnet").is_dir():
        raise InputError(f"{trained} holds no trained ControlNet: it lacks controlnet/")
    check_made(trained / "recipe.json")
    with facts_of(trained / "recipe.json") as facts:
        made_on = facts["backbone"]
    if made_on != file_sha256(backbone):
        raise InputError(
            f"{trained} was trained on another backbone than {backbone}: give that one"
        )


class Sampler:
    """A backbone with a trained method, ready to sample.

    Args:
        backbone: the backbone's backbone.json.
        trained: folder that `train_controlnet` wrote.
        prompt: what the images are captioned.
        recipe: settings.
        device: to sample on.

    Raises:
        InputError: if the folder holds no usable ControlNet.
    """

    def __init__(
        self, backbone: Path, trained: Path, prompt: str, recipe: SamplingRecipe, device: str
    ):
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
