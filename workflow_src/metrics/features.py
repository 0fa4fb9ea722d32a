"""Features of images: what an extractor must do, and one pass over a set for all of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from workflow_src.common.errors import InputError
from workflow_src.common.registry import member
from workflow_src.study.registries import EXTRACTORS

# Mean and deviation of ImageNet's channels, from 0 to 1.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Extractor(Protocol):
    """Turns images into features. A class of EXTRACTORS is called with the device and its settings.

    What it is goes with every number that is made from its features.
    """

    name: str
    resize: str  # how images reach the network, since it changes the numbers
    dimensions: int
    source: str
    licence: str

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to (B, dimensions) float32."""
        ...


def resized(images: Tensor, side: int) -> Tensor:
    """(B, 3, H, W) uint8 to (B, 3, side, side) float32 from 0 to 255, bicubic and antialiased."""
    pixels = images.float()
    if images.shape[-2:] == (side, side):
        return pixels
    pixels = torch.nn.functional.interpolate(pixels, (side, side), mode="bicubic", antialias=True)
    return pixels.clamp(0, 255)


def normalised(pixels: Tensor, mean: tuple, deviation: tuple) -> Tensor:
    """Pixels (B, 3, H, W) from 0 to 255, less the mean over the deviation, both from 0 to 1."""
    shift, scale = (pixels.new_tensor(part).view(3, 1, 1) * 255 for part in (mean, deviation))
    return (pixels - shift) / scale


@contextmanager
def readable(weights: Path, name: str) -> Iterator[None]:
    """Name the file and the remedy where weights are missing, damaged or another network's.

    Args:
        weights: the file that is read in the block.
        name: of the extractor.

    Raises:
        InputError: if it is not there, or anything goes wrong in the block.
    """
    remedy = f"another as `metrics.extractors.{name}.path`, or set that to null to fetch it"
    if not weights.is_file():
        raise InputError(f"{weights} does not exist: give {remedy}")
    try:
        yield
    except Exception as error:  # of what kind depends on where a reader stumbled
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{weights} is damaged or holds other weights ({reason[:200]}): get it again, give "
            f"{remedy}"
        ) from error


def make_extractor(name: str, device: str, **settings) -> Extractor:
    """An extractor by its name in EXTRACTORS.

    Raises:
        InputError: if there is none of this name, or its weights cannot be read.
    """
    return member(EXTRACTORS, name, "an extractor")(device, **settings)


@torch.inference_mode()
def extract(
    extractors: dict[str, Extractor], images: np.ndarray, batch: int, device: str
) -> dict[str, np.ndarray]:
    """Features (N, dimensions) float32 by each extractor, of images (N, H, W, C) uint8, C 1 or 3.

    The images, which may be a file mapped to memory, are read once, a batch at a time.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in extractors}
    for start in range(0, len(images), batch):
        part = torch.from_numpy(np.array(images[start : start + batch])).to(device)
        part = part.permute(0, 3, 1, 2).expand(-1, 3, -1, -1).contiguous()
        for name, extractor in extractors.items():
            found[name].append(extractor(part).cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def described(extractor: Extractor) -> dict:
    """What an extractor is, as it stands beside its numbers."""
    return {
        "extractor": extractor.name,
        "resize": extractor.resize,
        "dimensions": extractor.dimensions,
        "source": extractor.source,
        "licence": extractor.licence,
    }
