"""The stages of synthesis at Stable Diffusion 1.5's geometry, with random weights, as trials."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn

from workflow_src.common.trials import Ready, Trial
from workflow_src.diffusion.backbone import DTYPES, latent_moments
from workflow_src.diffusion.noising import noise_schedule, noisy_batch
from workflow_src.diffusion.objective import Batch, Objective
from workflow_src.diffusion.sampling import Sampler
from workflow_src.diffusion.single_file import CONFIGS
from workflow_src.diffusion.updating import new_accelerator, new_objective, new_optimizer, update
from workflow_src.study.synthesis import ControlNetRecipe, SamplingRecipe

TOKENS, TEXT = 77, 768  # of CLIP's text encoder
FACTOR = 8  # pixels of an image per pixel of its latents, along a side
BF16 = 0.05  # relative error that rounding to 16 bits may add up to


def new_unet(width: float) -> UNet2DConditionModel:
    """Stable Diffusion 1.5's UNet, frozen; its channels times the width."""
    channels = [int(count * width) for count in CONFIGS["unet"]["block_out_channels"]]
    settings = CONFIGS["unet"] | {"block_out_channels": channels}
    return UNet2DConditionModel.from_config(settings).requires_grad_(False)


def new_autoencoder(width: float) -> AutoencoderKL:
    """Stable Diffusion 1.5's autoencoder, frozen; its channels times the width, in 32s."""
    counts = CONFIGS["vae"]["block_out_channels"]
    channels = [max(32, int(count * width) // 32 * 32) for count in counts]
    settings = CONFIGS["vae"] | {"block_out_channels": channels}
    return AutoencoderKL.from_config(settings).requires_grad_(False).eval()


def write_model(folder: Path, width: float) -> tuple[Path, Path]:
    """Write a backbone and a ControlNet for it: backbone.json, and the ControlNet's folder."""
    unet = new_unet(width)
    unet.save_pretrained(folder / "backbone" / "unet")
    new_autoencoder(width).save_pretrained(folder / "backbone" / "vae")
    noise_schedule().save_pretrained(folder / "backbone" / "scheduler")
    (folder / "backbone" / "backbone.json").write_text("{}")
    controlnet = ControlNetModel.from_unet(unet)
    _open(controlnet)
    controlnet.save_pretrained(folder / "trained" / "controlnet")
    return folder / "backbone" / "backbone.json", folder / "trained"


def _open(controlnet: ControlNetModel) -> None:
    """Let a new ControlNet have a say: it starts behind convolutions of zeros."""
    for block in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        nn.init.normal_(block.weight, std=0.02)


def new_sampler(width: float, recipe: SamplingRecipe, device: str) -> Sampler:
    """A sampler with random weights, and text as long as CLIP's."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        backbone, trained = write_model(Path(folder), width)
        sampler = Sampler(backbone, trained, "A polyp.", recipe, device)
    text = torch.randn(2, TOKENS, TEXT, generator=torch.Generator().manual_seed(0))
    sampler.text, sampler.empty = text.to(device, sampler.pipeline.dtype)
    return sampler


def masks_of(count: int, size: int) -> np.ndarray:
    """Masks (count, size, size) of a rectangle."""
    masks = np.zeros((count, size, size), np.uint8)
    masks[:, : size // 3, : size // 2] = 1
    return masks


def sampling(recipe: SamplingRecipe, size: int, width: float) -> Trial:
    """A batch of images sampled from masks; looks after two of the steps."""
    count = recipe.batch_size
    short = recipe.model_copy(update={"steps": 2})

    def two_steps(sampler: Sampler) -> Tensor:
        sampler.recipe = short
        image = torch.from_numpy(sampler(masks_of(1, size), [0], seed=0, channels=3))
        sampler.recipe = recipe
        return image.float() / 255

    def ready(device: str) -> Ready:
        sampler = new_sampler(width, recipe, device)
        masks, numbers = masks_of(count, size), list(range(count))
        return Ready(lambda: sampler(masks, numbers, 0, 3), lambda: two_steps(sampler))

    def reference() -> Tensor:
        single = recipe.model_copy(update={"precision": "fp32"})
        return two_steps(new_sampler(width, single, "cpu"))

    return Trial("sampling", count, ready, reference, BF16)


def encoding(count: int, size: int, width: float) -> Trial:
    """A batch of images encoded, as `cache_latents` does: in single precision."""

    def autoencoder() -> tuple[AutoencoderKL, Tensor]:
        torch.manual_seed(0)
        images = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))
        return new_autoencoder(width), images * 2 - 1

    def ready(device: str) -> Ready:
        vae, images = autoencoder()
        vae, images = vae.to(device), images.to(device)
        return Ready(
            lambda: latent_moments(vae, images), lambda: latent_moments(vae, images[:1])[0]
        )

    def reference() -> Tensor:
        vae, images = autoencoder()
        return latent_moments(vae, images[:1])[0]

    return Trial("encoding", count, ready, reference, 0.01)


def training(
    recipe: ControlNetRecipe, size: int, width: float, memory: float | None = None
) -> Trial:
    """An update of a ControlNet training; looks at the student's prediction for an image."""

    def ready(device: str) -> Ready:
        accelerator = new_accelerator(recipe, cpu=device == "cpu")
        objective = _objective(recipe, width, device)
        prepared, optimizer = accelerator.prepare(objective, new_optimizer(objective, recipe))
        share = recipe.batch_size // accelerator.num_processes
        batch = {k: v.to(device) for k, v in _batch(share, size).items()}

        def look() -> Tensor:
            with torch.no_grad(), torch.autocast(
                device, DTYPES[recipe.precision], enabled=recipe.precision != "fp32"
            ):  # fmt: skip
                return objective.predict({k: v[:1] for k, v in batch.items()})[0]

        return Ready(lambda: update(accelerator, prepared, optimizer, batch, recipe), look)

    def reference() -> Tensor:
        single = recipe.model_copy(update={"precision": "fp32"})
        objective = _objective(single, width, "cpu")
        with torch.no_grad():
            return objective.predict({k: v[:1] for k, v in _batch(1, size).items()})[0]

    name = "controlnet, with a teacher" if recipe.teacher else "controlnet"
    return Trial(name, recipe.batch_size, ready, reference, BF16, memory)


def _objective(recipe: ControlNetRecipe, width: float, device: str) -> Objective:
    torch.manual_seed(0)
    objective = new_objective(new_unet(width), recipe, torch.device(device))
    torch.manual_seed(1)
    for controlnet in (objective.controlnet, objective.teacher_controlnet):
        if controlnet is not None:
            _open(controlnet)
    return objective


def _batch(count: int, size: int) -> Batch:
    """A batch that repeats one drawn image and mask."""
    draws = torch.Generator().manual_seed(0)
    mean = torch.randn(1, 4, size // FACTOR, size // FACTOR, generator=draws)
    text = torch.randn(TOKENS, TEXT, generator=draws)
    one = noisy_batch(
        mean, torch.full_like(mean, 0.1), text, torch.zeros_like(text), noise_schedule(), 0.0, draws
    )
    one["mask"] = torch.from_numpy(masks_of(1, size)).unsqueeze(1).float()
    one["image"] = torch.full((1, 3, size, size), 0.5)
    return {name: value.repeat(count, *[1] * (value.dim() - 1)) for name, value in one.items()}
