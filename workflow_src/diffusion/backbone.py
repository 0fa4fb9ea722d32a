"""The frozen latent-diffusion model under every method: Stable Diffusion 1.5, or a small one.

Either is a folder in diffusers' layout (`vae/`, `unet/`, `scheduler/`, and for Stable Diffusion
`text_encoder/` and `tokenizer/`) with `backbone.json` as its marker. What uses a backbone never
asks which of the two it is.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from workflow_src.common.errors import InputError
from workflow_src.common.json_files import facts_of, read_json
from workflow_src.data.arrays import check_made
from workflow_src.diffusion.tiny import load_tiny

PARTS = ("vae", "unet", "scheduler")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
REMEDY = "remove it and make or fetch it again, or give another folder"


def backbone_folder(marker: Path | str) -> Path:
    """The diffusers folder that a backbone.json describes.

    Raises:
        InputError: if the marker or a part of the folder is missing.
    """
    marker = Path(marker)
    if not marker.is_file():
        raise InputError(f"{marker} does not exist: make the backbone first, or check the path")
    with facts_of(marker) as facts:
        folder = marker.parent / facts.get("folder", ".")
    if "files" in facts:  # of a small one; a fetched one has its maker's checksums
        check_made(marker)
    for part in PARTS:
        if not (folder / part).is_dir():
            raise InputError(
                f"{folder} is not a diffusers model: it lacks {part}/; give a folder with "
                + ", ".join(f"{p}/" for p in PARTS)
            )
    return folder


def load_unet(marker: Path | str) -> UNet2DConditionModel:
    """The backbone's UNet, in float32, on the CPU, frozen."""
    folder = backbone_folder(marker)
    return load_model(UNet2DConditionModel, folder / "unet").requires_grad_(False)


def load_vae(marker: Path | str) -> AutoencoderKL | AutoencoderTiny:
    """The backbone's autoencoder, in float32, on the CPU, frozen."""
    return load_autoencoder(backbone_folder(marker) / "vae")


def load_autoencoder(folder: Path) -> AutoencoderKL | AutoencoderTiny:
    """An autoencoder from a diffusers folder, frozen and in evaluation mode."""
    config = folder / "config.json"
    if not config.is_file():
        raise InputError(f"{folder} lacks config.json: give an autoencoder in diffusers' layout")
    kinds = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}
    name = read_json(config).get("_class_name")
    if name not in kinds:
        raise InputError(f"{config} describes a {name}: {' or '.join(kinds)} can be used")
    if name == "AutoencoderTiny":
        config = AutoencoderTiny.load_config(folder)
        config.pop("block_out_channels", None)  # saved, though the constructor does not take it
        vae = AutoencoderTiny.from_config(config)
        weights = folder / "diffusion_pytorch_model.safetensors"
        try:
            vae = load_tiny(vae, load_file(weights))
        except (OSError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{weights} is not usable ({reason}): {REMEDY}") from error
    else:
        vae = load_model(AutoencoderKL, folder)
    return vae.requires_grad_(False).eval()


def load_model(kind, folder: Path):
    """A model from its folder, with all its weights: diffusers itself would draw missing ones.

    Raises:
        InputError: if the folder holds none, or some weights are missing.
    """
    model, found = _load(kind, folder, output_loading_info=True)
    missing = sorted(found["missing_keys"])
    if missing:
        raise InputError(
            f"{folder} lacks {len(missing)} weights of a {kind.__name__} ({missing[0]}): {REMEDY}"
        )
    return model


def _load(kind, folder: Path, **options):
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{folder} holds no usable {kind.__name__} ({reason}): {REMEDY}"
        ) from error


def to_model_range(images: np.ndarray) -> Tensor:
    """(B, H, W, C) uint8 with C 1 or 3, to (B, 3, H, W) float32 in [-1, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    return tensor.expand(-1, 3, -1, -1) / 127.5 - 1


def to_image_range(decoded: Tensor, channels: int) -> np.ndarray:
    """(B, 3, H, W) in [-1, 1] to (B, H, W, C) uint8; grey images take the channels' mean."""
    if channels == 1:
        decoded = decoded.mean(dim=1, keepdim=True)
    levels = ((decoded.float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return levels.permute(0, 2, 3, 1).cpu().numpy()


@torch.no_grad()
def latent_moments(vae: AutoencoderKL | AutoencoderTiny, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the latents, scaled as the UNet wants them.

    Args:
        vae: the autoencoder. A tiny one is deterministic: its deviation is 0.
        images: (B, 3, H, W) in [-1, 1].
    """
    scale = vae.config.scaling_factor
    encoded = vae.encode(images)
    if hasattr(encoded, "latent_dist"):
        return encoded.latent_dist.mean * scale, encoded.latent_dist.std * scale
    return encoded.latents * scale, torch.zeros_like(encoded.latents)


@torch.no_grad()
def embed_prompts(marker: Path | str, prompts: list[str]) -> Tensor:
    """Embeddings of prompts, (P, T, D) float32.

    Stable Diffusion's text encoder where the backbone has one. A small backbone has none: each
    prompt is a fixed random code, drawn from the prompt's hash, that its UNet learnt to read.
    """
    folder = backbone_folder(marker)
    if not (folder / "text_encoder").is_dir():
        width = read_json(folder / "unet" / "config.json")["cross_attention_dim"]
        return prompt_codes(prompts, width)
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = _load(CLIPTokenizer, folder / "tokenizer")
    encoder = load_model(CLIPTextModel, folder / "text_encoder").eval()
    tokens = tokenizer(
        prompts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True,
        return_tensors="pt",
    )  # fmt: skip
    return encoder(tokens.input_ids).last_hidden_state


def prompt_codes(prompts: list[str], width: int, tokens: int = 2) -> Tensor:
    """The small backbone's embeddings of prompts, (P, tokens, width), of unit variance."""
    codes = []
    for prompt in prompts:
        seed = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:7], "little")
        codes.append(torch.randn(tokens, width, generator=torch.Generator().manual_seed(seed)))
    return torch.stack(codes)
