"""Autoencoders made elsewhere: diffusers' folders, and the TAESD family's pairs of weight files."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import load_file
from torch import Tensor

from workflow_src.common.errors import InputError
from workflow_src.diffusion.backbone import load_autoencoder, to_model_range
from workflow_src.diffusion.tiny import tiny_from_weights


def given_autoencoder(
    folder: Path, images: np.ndarray, device: str
) -> AutoencoderKL | AutoencoderTiny:
    """Load an autoencoder and scale its latents to unit deviation on the images.

    Args:
        folder: in diffusers' layout, or with `*_encoder.*` and `*_decoder.*` of TAESD's family.
        images: (N, S, S, C) uint8, the training images.
        device: to encode them on.

    Raises:
        InputError: if the folder holds neither, or they cannot be read.
    """
    if (folder / "config.json").is_file():
        vae = load_autoencoder(folder)
    else:
        encoder, decoder = _weights(folder, "encoder"), _weights(folder, "decoder")
        try:
            vae = tiny_from_weights(encoder, decoder)
        except (KeyError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"{folder} holds no autoencoder of TAESD's family ({reason}): give a pair of its "
                "weight files, or a folder in diffusers' layout"
            ) from error
    vae = vae.to(device)
    with torch.no_grad():
        encoded = [vae.encode(to_model_range(images[i : i + 16]).to(device))
                   for i in range(0, min(len(images), 256), 16)]  # fmt: skip
    latents = [e.latents if hasattr(e, "latents") else e.latent_dist.mean for e in encoded]
    vae.register_to_config(scaling_factor=1.0 / torch.cat(latents).std().item())
    return vae.cpu()


def _weights(folder: Path, part: str) -> dict[str, Tensor]:
    files = sorted(p for s in ("pth", "safetensors") for p in folder.glob(f"*{part}*.{s}"))
    if len(files) != 1:
        raise InputError(
            f"{folder} holds {len(files)} files named *{part}*.pth or .safetensors, one is needed; "
            "or give a folder in diffusers' layout (config.json and weights)"
        )
    file = files[0]
    try:
        if file.suffix == ".safetensors":
            weights = load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of what kind depends on where a reader stumbled
        raise InputError(f"{file} is damaged or no file of weights: get it again") from error
    return {name: value.float() for name, value in weights.items()}
