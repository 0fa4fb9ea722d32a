"""Training batches for segmenters: from a prepared set, flipped and rotated on the device."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workflow_src.common.errors import InputError
from workflow_src.data.prepared import PreparedSet
from workflow_src.study.segmentation import SegmenterRecipe

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as all recipes use


def normalised(images: Tensor) -> Tensor:
    """(B, C, H, W) of 0 to 255 with C 1 or 3, to (B, 3, H, W) float32 with ImageNet's mean 0."""
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    return (images.expand(-1, 3, -1, -1).float() / 255 - mean) / std


@dataclass
class Drawn:
    """A batch before the device turns it."""

    images: Tensor  # (B, C, S, S) bytes
    masks: Tensor  # (B, 1, S, S), 0 and 1
    u: Tensor  # (B, 6) in [0, 1), what chance has chosen


class Batches:
    """Images and masks of some rows, by number.

    A set of one size is held whole on the device, as bytes; of a native one crops are read.

    Args:
        prepared: the set; of the recipe's size for "resize", of native sizes for "crop".
        rows: its rows to draw from.
        recipe: settings.
        device: where batches go.
    """

    def __init__(self, prepared: PreparedSet, rows: np.ndarray, recipe: SegmenterRecipe, device):
        wanted = recipe.image_size if recipe.fit == "resize" else None
        if prepared.size != wanted:
            raise InputError(
                f"{prepared.folder} is prepared at {prepared.size or 'native'} size but the recipe "
                f"({recipe.fit}) wants {wanted or 'native'}: prepare the set at that size"
            )
        self.prepared, self.rows, self.recipe, self.device = prepared, rows, recipe, device
        if prepared.size is not None:
            images = torch.from_numpy(prepared.images[rows]).permute(0, 3, 1, 2).contiguous()
            self.images = images.to(device)
            self.masks = torch.from_numpy(prepared.masks[rows]).unsqueeze(1).to(device)

    def __len__(self) -> int:
        return len(self.rows)

    def plain(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Bytes (B, C, S, S) and masks (B, 1, S, S), unchanged; crops are centred."""
        return self._placed(self._read(numbers, torch.full((len(numbers), 2), 0.5)))

    def drawn(self, numbers: Tensor, draws: torch.Generator) -> Drawn:
        """All of a batch that the processor does, to be made while the device is busy.

        Args:
            numbers: of the images, on the CPU.
            draws: a generator on the CPU.
        """
        u = torch.rand(len(numbers), 6, generator=draws)
        return Drawn(*self._read(numbers, u[:, 4:]), u)

    def augmented(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Network input (B, 3, S, S) and target (B, 1, S, S), flipped and rotated at random."""
        u, count = drawn.u, len(drawn.u)
        images, masks = self._placed((drawn.images, drawn.masks))
        angle = (u[:, 0] * 2 - 1) * math.radians(self.recipe.rotate) * (u[:, 1] < 0.5)
        chance = 0.5 if self.recipe.flips else 0.0
        flips = torch.where(u[:, 2:4] < chance, -1.0, 1.0)
        cos, sin = angle.cos(), angle.sin()
        theta = torch.stack([cos, -sin, torch.zeros(count), sin, cos, torch.zeros(count)], dim=1)
        theta = theta.view(count, 2, 3) * flips[:, :, None]
        # One look-up for both, so that image and mask cannot part. Corners come in black and are
        # background, like the rims of crops.
        both = torch.cat([images, masks], dim=1).float()
        grid = F.affine_grid(theta.to(self.device), list(both.shape), align_corners=False)
        both = F.grid_sample(both, grid, mode="bilinear", align_corners=False)
        return normalised(both[:, :-1]), (both[:, -1:] >= 0.5).float()

    def _read(self, numbers: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Images and masks where they lie: crops at the places, on the CPU."""
        if self.prepared.size is not None:
            return self.images[numbers], self.masks[numbers]
        side = self.recipe.image_size
        images = np.zeros((len(numbers), side, side, self.prepared.channels), np.uint8)
        masks = np.zeros((len(numbers), side, side), np.uint8)
        for i, (number, place) in enumerate(zip(numbers.tolist(), places.tolist(), strict=True)):
            image, mask = (
                self.prepared.image(self.rows[number]),
                self.prepared.mask(self.rows[number]),
            )
            source, target = zip(
                *(_window(length, side, at) for length, at in zip(mask.shape, place, strict=True)),
                strict=True,
            )
            images[i][target] = image[source]
            masks[i][target] = mask[source]
        return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(masks).unsqueeze(1)

    def _placed(self, read: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Images and masks on the device, copied beside its work."""
        images, masks = read
        if torch.device(self.device).type == "cuda" and not images.is_cuda:
            images, masks = images.pin_memory(), masks.pin_memory()
        images = images.to(self.device, non_blocking=True)
        return images, masks.to(self.device, non_blocking=True)


def _window(length: int, side: int, place: float) -> tuple[slice, slice]:
    """Where a crop of a side is read from an axis, and where it lies in the crop.

    A longer axis is cut at the place (0 to 1); a shorter one is centred, the rest stays black.
    """
    if length >= side:
        start = round(place * (length - side))
        return slice(start, start + side), slice(0, side)
    start = (side - length) // 2
    return slice(0, length), slice(start, start + length)
