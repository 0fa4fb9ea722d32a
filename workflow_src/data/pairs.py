"""Pairs of an image and its mask: found by name, and laid one on the other."""

from pathlib import Path

import numpy as np
from PIL import ImageOps

from workflow_src.common.errors import InputError
from workflow_src.data.image_files import Picture, image_files, opened, pixels_of, remedy, unread
from workflow_src.data.masks import mask_of

FOLDER_NAMES = (("images", "masks"), ("image", "mask"))
Pair = tuple[Path, Path]


def find_pairs(folder: Path) -> list[Pair]:
    """Match the images of a folder with their masks, by stem.

    Args:
        folder: holds `images/` and `masks/`, or `image/` and `mask/`; files may be .png, .jpg,
            .jpeg, .tif, .tiff, .bmp or .webp, in any case.

    Returns:
        (image, mask) paths in order of the stem.

    Raises:
        InputError: where a folder is missing or empty, holds images that are not read, or an image
            or a mask has no partner.
    """
    there = [n for n in FOLDER_NAMES if all((folder / name).is_dir() for name in n)]
    if not there:
        raise InputError(
            f"{folder} has no images/ and masks/ (nor image/ and mask/): "
            f"it holds {listing(folder)}; put the images in one and the masks in the other"
        )
    if len(there) > 1:
        raise InputError(
            f"{folder} has both images/ and masks/ and image/ and mask/: leave the two that are "
            "meant"
        )
    ((image_name, mask_name),) = there
    for name in (image_name, mask_name):
        for path in unread(folder / name):
            raise InputError(f"{path} is not read: {remedy(path)}")
    images, masks = image_files(folder / image_name), image_files(folder / mask_name)
    for have, lack, what, other in (
        (images, masks, "image", "mask"),
        (masks, images, "mask", "image"),
    ):
        alone = sorted(set(have) - set(lack))
        if alone:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            where = folder / (mask_name if other == "mask" else image_name)
            raise InputError(
                f"{what} {have[alone[0]]} has no {other}{more}: add one of the same stem in "
                f"{where}, or remove the {what}"
            )
    return [(images[stem], masks[stem]) for stem in sorted(images, key=_natural)]


def match(image: Picture, mask: Picture) -> bool:
    """Whether an image must be turned as its EXIF notes, for its mask to lie on it.

    Raises:
        InputError: if their sizes differ, or a noted rotation leaves open how they lie.
    """
    size, mask_size = image.file.size, mask.file.size
    if image.turn != mask.turn:
        # Turned by a quarter, the sides change places: they show what the mask was drawn on.
        if image.turn < 5 or mask.turn != 1 or size[0] == size[1]:
            raise InputError(
                f"image {image.path} notes the EXIF orientation {image.turn} and mask {mask.path} "
                f"{mask.turn}: save both upright, without the note, so that the mask fits"
            )
        if mask_size == size[::-1]:
            return True
    if size != mask_size:
        raise InputError(
            f"mask {mask.path} is {mask_size[0]}x{mask_size[1]} pixels but its image {image.path} "
            f"is {size[0]}x{size[1]}: they must be equal; export the mask again"
        )
    return False


def read_pair(image: Path, mask: Path) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 and mask (H, W) of 0 and 1, one lying on the other."""
    with opened(image) as picture, opened(mask) as drawn:
        turned = match(picture, drawn)
        if turned:
            picture.file = ImageOps.exif_transpose(picture.file)
        return pixels_of(picture), mask_of(drawn).lesion


def _natural(stem: str) -> tuple:
    """Sort key that puts 2 before 10."""
    return (0, int(stem), stem) if stem.isdecimal() else (1, 0, stem)


def listing(folder: Path) -> str:
    """The first names in a folder, for a message."""
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "nothing"


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, in order; none if it is not a folder."""
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
