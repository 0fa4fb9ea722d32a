"""The cache of what the frozen autoencoder and text encoder make of a training set."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.json_files import facts_of
from workflow_src.common.outputs import require_space
from workflow_src.common.training import memory_for
from workflow_src.data.arrays import check_file
from workflow_src.data.prepared import PreparedSet
from workflow_src.diffusion.backbone import latent_moments, to_model_range


@dataclass
class Latents:
    """Cached latents of the training rows of a prepared set, in their order, whole in memory."""

    mean: Tensor  # (N, C, h, w) float16, scaled as the UNet wants them
    std: Tensor  # likewise: kept, so that sampling a latent stays random
    text: Tensor  # (T, D) float32, embedding of the prompt
    empty: Tensor  # (T, D), of the empty prompt
    sha256: str
    data: dict  # sha256 of the prepared set's arrays


def cache_latents(vae, text: Tensor, prepared: PreparedSet, folder: Path, batch: int, device: str):
    """Encode the training rows of a prepared set.

    Args:
        vae: the backbone's autoencoder.
        text: (2, T, D), embeddings of the prompt and of the empty prompt.
        prepared: of one size.
        folder: where latents.safetensors goes.
        batch: images encoded at once.
        device: to encode on.

    Returns:
        Facts for the marker: counts and hashes.
    """
    rows = prepared.rows("train")
    vae = vae.to(device, memory_format=torch.channels_last)
    means, stds = [], []
    for start in tqdm(range(0, len(rows), batch), unit="batch"):
        images = to_model_range(prepared.images[rows[start : start + batch]]).to(device)
        with memory_for(batch, "lower --batch (the latents stay)"):
            mean, std = latent_moments(vae, images)
        means.append(mean.half().cpu())
        stds.append(std.half().cpu())
    file = folder / "latents.safetensors"
    tensors = {"mean": torch.cat(means), "std": torch.cat(stds)}
    tensors |= {"text": text[0], "empty": text[1]}
    needed = sum(value.numel() * value.element_size() for value in tensors.values())
    require_space(folder, needed, f"the latents in {folder}")
    save_file({name: value.contiguous() for name, value in tensors.items()}, file)
    return {
        "images": len(rows),
        "shape": list(tensors["mean"].shape[1:]),
        "sha256": file_sha256(file),
        "data": prepared.meta["sha256"],
    }


def load_latents(folder: Path) -> Latents:
    """Read a cache.

    Raises:
        InputError: if the folder holds none.
    """
    marker = folder / "latents.json"
    if not marker.is_file():
        raise InputError(
            f"{folder} holds no cached latents: make them with "
            "`python -m workflow_src.cache_latents`"
        )
    with facts_of(marker) as facts:
        sha256, data = facts["sha256"], facts["data"]
    check_file(folder / "latents.safetensors", sha256)
    tensors = load_file(folder / "latents.safetensors")
    return Latents(tensors["mean"], tensors["std"], tensors["text"], tensors["empty"], sha256, data)
