"""Mask files as 0 and 1, where it is certain what they show; all others are refused by name.

Masks come as white on black or as labels 0 and 1, in any mode, with the grey edges that JPEG and
resizing leave. They also come with several classes, as greys or colours, or with the lesion in
their transparency: read by brightness alone, those would turn into other lesions in silence.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from workflow_src.common.errors import InputError
from workflow_src.data.image_files import (
    MOST,
    Picture,
    converted,
    float_levels,
    opened,
    wide_levels,
)

NOISE = 15  # grey levels around an edge that was cut off by JPEG; the lesion's are far above them
DARK, LIGHT = 32, 223  # levels between them are nearly black's and nearly white's no more
COLOUR = 24  # by how much the channels of what is meant as grey may differ
FLAT = 12  # levels within 3 x 3 pixels that are not a slope
FLAT_PIXELS = 16  # so many may be flat by chance, on the tops of small blurred lesions
SAVE = "save the lesion as 255 (or 1) and all else as 0, one lesion class to a set"


@dataclass
class Mask:
    """A mask (H, W) uint8 of 0 and 1, and how its file writes the lesion."""

    lesion: np.ndarray
    coding: Literal["white", "labels", "none"]


@dataclass
class MaskFacts:
    """What a set's masks are compared by."""

    path: Path
    folder: str  # the set that it belongs to
    coding: Literal["white", "labels", "none"]
    fraction: float  # of the pixels that are lesion


def read_mask(path: Path) -> np.ndarray:
    """Read a mask as (H, W) uint8 of 0 and 1.

    Grey edges, as JPEG leaves them, fall to the nearer side. A file of labels 0 and 1 is taken as
    such, and so is one whose colours stand for labels.

    Raises:
        InputError: if the file cannot be read, or it is not certain what is lesion.
    """
    with opened(path) as picture:
        return mask_of(picture).lesion


def mask_of(picture: Picture) -> Mask:
    """The mask that an opened file shows."""
    mask = _by_levels(picture)
    file = picture.file
    if file.has_transparency_data:
        wide = file.mode.startswith("I")  # with one level that is transparent
        alpha = np.zeros((1, 2)) if wide else np.asarray(converted(picture, "RGBA"))[..., 3]
        varies = wide or alpha.min() != alpha.max()
        if varies and (wide or ((alpha > 127) != (mask.lesion > 0)).any()):
            raise InputError(
                f"mask {picture.path} is transparent in places that its colours do not tell: "
                f"{SAVE}, without transparency"
            )
    return mask


def facts_of_mask(picture: Picture, folder: str) -> MaskFacts:
    """What an opened mask of a folder shows, its pixels let go."""
    mask = mask_of(picture)
    return MaskFacts(picture.path, folder, mask.coding, float(mask.lesion.mean()))


def check_together(masks: list[MaskFacts], large_lesions: str) -> None:
    """Check what one mask alone does not tell, folder by folder.

    Args:
        masks: of a whole set, or a sample of it.
        large_lesions: "keep" if lesions are known to fill more than half of most images.

    Raises:
        InputError: if a folder's masks are written in two ways, so that one of them is perhaps
            misread, or seem to be inverted.
    """
    folders: dict[str, list[MaskFacts]] = {}
    for mask in masks:
        if mask.coding != "none":
            folders.setdefault(mask.folder, []).append(mask)
    for name, part in folders.items():
        first = {mask.coding: mask.path for mask in reversed(part)}
        if len(first) > 1:
            raise InputError(
                f"mask {first['white']} is white on black but {first['labels']}, of the same "
                "folder, holds labels 0 and 1: write all masks of a folder alike"
            )
        large = [mask for mask in part if mask.fraction > 0.5]
        if len(large) > len(part) / 2 and large_lesions != "keep":
            raise InputError(
                f"the lesion fills more than half of the image in {len(large)} of {len(part)} "
                f"masks of {name}, such as {large[0].path}: if they are black on white, invert "
                "them; if lesions are as large as that, set `large_lesions` to keep"
            )


def _by_levels(picture: Picture) -> Mask:
    path, mode = picture.path, picture.file.mode
    if picture.wide:
        raise InputError(f"mask {path} has colours of 16 bits: {SAVE}, with 8 bits")
    if mode == "F":
        levels = float_levels(picture)
        if set(np.unique(levels)) <= {0.0, 255.0}:
            return _labels(levels > 0)
        return _white(np.rint(levels).astype(np.uint8), picture)
    if mode.startswith("I"):
        wide = wide_levels(picture)
        if wide.max() <= 255:
            return _white(wide.astype(np.uint8), picture)
        if wide.max() <= MOST // 2:
            raise _neither(wide.max(), path)
        return _white(np.rint(wide / 257).astype(np.uint8), picture)
    if mode in ("1", "L", "LA"):
        return _white(np.asarray(converted(picture, "L")), picture)
    colours = np.asarray(converted(picture, "RGB"))
    # One channel at a time: their largest and smallest over an axis of 3 are slow to find.
    red, green, blue = (colours[..., channel] for channel in range(3))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    if mode == "P" and spread.any():
        numbers = np.asarray(picture.file)
        if numbers.max() > 1:
            raise _neither(numbers.max(), path)
        return _labels(numbers > 0)
    if spread.max() > COLOUR:
        colour = colours[np.unravel_index(spread.argmax(), spread.shape)].tolist()
        raise InputError(
            f"mask {path} holds colours, such as {tuple(colour)}: {SAVE} (a photograph here says "
            "that images/ and masks/ are swapped)"
        )
    return _white(np.asarray(converted(picture, "L")), picture)


def _labels(lesion: np.ndarray) -> Mask:
    return Mask(lesion.astype(np.uint8), "labels" if lesion.any() else "none")


def _white(grey: np.ndarray, picture: Picture) -> Mask:
    """The mask of grey levels (H, W) uint8."""
    top = int(grey.max())
    if picture.lossy and top <= NOISE:
        return Mask(np.zeros_like(grey), "none")
    if top <= 1:
        return _labels(grey > 0)
    if top <= 127:
        raise _neither(top, picture.path)
    level = _class_level(grey, picture.lossy)
    if level is not None:
        raise InputError(
            f"mask {picture.path} has areas of the grey level {level}, which are not edges of "
            f"white on black: {SAVE} (a photograph here says that images/ and masks/ are swapped)"
        )
    return Mask((grey > 127).astype(np.uint8), "white")


def _neither(top: int, path: Path) -> InputError:
    return InputError(
        f"mask {path} goes up to {top}, neither white on black nor labels 0 and 1: {SAVE}"
    )


def _class_level(grey: np.ndarray, lossy: bool) -> int | None:
    """A grey level that stands for a class of its own, and not for the edge of one; or None.

    An edge has dark and light pixels near by: within 3 x 3 pixels its levels rise. Where they do
    not, or where a file of few levels shows a grey that does not lie between black and white, the
    grey is a class.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    top = grey.max()
    if top > LIGHT and not ((grey > 0) & (grey < top)).any():
        return None  # as most masks are
    levels = np.flatnonzero(np.bincount(grey.ravel(), minlength=256))
    few = not lossy and len(levels) <= 4
    between = (levels >= DARK) & (levels <= LIGHT)
    if not between.any() and (not few or len(levels) <= 2):
        return None
    low, high = minimum_filter(grey, 3), maximum_filter(grey, 3)
    rise = high - low
    middle = (grey >= DARK) & (grey <= LIGHT)
    odd = middle & (rise <= FLAT)
    if odd.sum() <= FLAT_PIXELS:
        odd &= (rise == 0) & (not lossy)
    if few:
        odd |= middle & ((low >= DARK) | (high <= LIGHT))
        odd |= (grey > levels[0]) & (grey < DARK) & (rise == 0)
    if not odd.any():
        return None
    return int(np.bincount(grey[odd]).argmax())
