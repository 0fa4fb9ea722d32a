"""Mask files as tools write them, good and odd, and what each of them shows.

Each is a lesion of 12 x 12 pixels in a picture of 40 x 36, saved in some mode, format or coding.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

LESION = np.zeros((36, 40), bool)
LESION[10:22, 8:20] = True
OTHER = np.zeros_like(LESION)  # what is another class, away from the lesion
OTHER[24:34, 24:36] = True

Case = tuple[str, Callable[[Path], None], np.ndarray | str]
CASES: list[tuple] = []


def grey(levels: dict[int, np.ndarray], base: int = 0, dtype=np.uint8) -> np.ndarray:
    """A grey picture with a level in each region."""
    picture = np.full(LESION.shape, base, dtype)
    for level, region in levels.items():
        picture[region] = level
    return picture


def coloured(*parts: tuple[tuple, np.ndarray], base: tuple = (0, 0, 0)) -> np.ndarray:
    """A picture of colours, a colour in each region."""
    picture = np.full((*LESION.shape, len(base)), base, np.uint8)
    for colour, region in parts:
        picture[region] = colour
    return picture


def palette(numbers: np.ndarray, colours: list[tuple], **options) -> Callable[[Path], None]:
    """A function that writes palette numbers."""

    def write(path: Path) -> None:
        image = Image.fromarray(numbers.astype(np.uint8), mode="P")
        image.putpalette(sum(map(list, colours), []))
        image.save(path, **options)

    return write


def case(name: str, picture, expected, **options) -> None:
    """Add a case: its file's name, an array or an image to save, and what is expected."""

    def write(path: Path) -> None:
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        image.save(path, **options)

    CASES.append((name, picture if callable(picture) else write, expected))


def softened(picture: np.ndarray, factor: int = 3) -> Image.Image:
    """A picture scaled up and down again, so that its edges are grey."""
    image, size = Image.fromarray(picture), picture.shape[::-1]
    large = image.resize((size[0] * factor + 1, size[1] * factor + 2), Image.Resampling.BICUBIC)
    return large.resize(size, Image.Resampling.BILINEAR)


WHITE = grey({255: LESION})
LARGE = np.kron(WHITE, np.ones((6, 6), np.uint8))
CLASSES = np.kron(grey({255: LESION, 127: OTHER}), np.ones((6, 6), np.uint8))
LARGE_LESION = LARGE > 0
ONE = LESION.astype(np.uint8)
BLACK, RED, GREEN, YELLOW = (0, 0, 0), (255, 0, 0), (0, 255, 0), (250, 200, 10)
CLEAR = np.where(LESION, 255, 0).astype(np.uint8)

# Certain: what is white on black, or labels 0 and 1, in whatever mode.
case("white.png", WHITE, LESION)
case("white.bmp", WHITE, LESION)
case("white.tif", WHITE, LESION)
case("packed.tif", WHITE, LESION, compression="tiff_lzw")
case("lossless.webp", Image.fromarray(WHITE).convert("RGB"), LESION, lossless=True)
case("one_bit.png", Image.fromarray(LESION), LESION)
case("one_bit.tif", Image.fromarray(LESION), LESION)
case("labels.png", ONE, LESION)
case("rgb.png", Image.fromarray(WHITE).convert("RGB"), LESION)
case("cmyk.tif", Image.fromarray(WHITE).convert("RGB").convert("CMYK"), LESION)
case("wide.png", grey({65535: LESION}, dtype=np.uint16), LESION)
case("wide_labels.png", grey({1: LESION}, dtype=np.uint16), LESION)
case("wide_255.tif", grey({255: LESION}, dtype=np.uint16), LESION)
case("int.tif", grey({255: LESION}, dtype=np.int32), LESION)
case("float_1.tif", LESION.astype(np.float32), LESION)
case("float_255.tif", WHITE.astype(np.float32), LESION)
case("empty.png", np.zeros_like(WHITE), np.zeros_like(LESION))
case("empty.tif", np.zeros_like(WHITE, dtype=np.float32), np.zeros_like(LESION))
case("full.png", np.full_like(WHITE, 255), np.ones_like(LESION))
case("large.jpg", LARGE, LARGE_LESION, quality=60)
case("large.webp", Image.fromarray(LARGE).convert("RGB"), LARGE_LESION, quality=80)
case("jpeg_in.tif", Image.fromarray(LARGE), LARGE_LESION, compression="jpeg")
case("soft.png", softened(WHITE), np.asarray(softened(WHITE)) > 127)
case("soft.jpg", softened(LARGE), np.asarray(softened(LARGE)) > 127, quality=95)
case("rounded.png", grey({254: LESION}), LESION)
case("palette.png", palette(ONE, [BLACK, RED]), LESION)
case("palette_black_first.png", palette(ONE, [BLACK, (255, 255, 255)]), LESION)
case("palette_white_first.png", palette(~LESION, [(255, 255, 255), BLACK]), LESION)
case("opaque.png", coloured(((255, 255, 255, 255), LESION), base=(0, 0, 0, 255)), LESION)
case("unseen.png", coloured(((255, 255, 255, 0), LESION), base=(0, 0, 0, 0)), LESION)
case("clear_ground.png", coloured(((255, 255, 255, 255), LESION), base=(0, 0, 0, 0)), LESION)
case("clear_palette.png", palette(ONE, [BLACK, RED], transparency=bytes([0, 255])), LESION)

# Not certain: several classes, transparency of its own, other numbers.
case("classes_012.png", ONE + 2 * OTHER.astype(np.uint8), "goes up to 2")
case("classes_127_255.png", grey({255: LESION, 127: OTHER}), "grey level 127")
case("classes_128_255.png", grey({255: LESION, 128: OTHER}), "grey level 128")
case("classes_85_170_255.png", grey({255: LESION, 170: OTHER, 85: OTHER[::-1]}), "grey level")
case("class_128_alone.png", grey({128: LESION}), "grey level 128")
case("class_200_alone.png", grey({200: LESION}), "grey level 200")
case("class_127_alone.png", grey({127: LESION}), "goes up to 127")
case("label_and_void.png", grey({1: LESION, 255: OTHER}), "grey level 1,")
case("classes.jpg", CLASSES, "grey level 12", quality=90)
case("classes.webp", Image.fromarray(CLASSES).convert("RGB"), "grey level 12", quality=90)
case("wide_classes.png", grey({65535: LESION, 32896: OTHER}, dtype=np.uint16), "grey level 128")
case("wide_300.png", grey({300: LESION}, dtype=np.uint16), "goes up to 300")
case("negative.tif", grey({-1: LESION}, dtype=np.int32), "levels from -1 to 0")
case("huge.tif", grey({2**31 - 1: LESION}, dtype=np.int32), "levels from 0 to 2147483647")
case("float_half.tif", LESION * np.float32(0.5), "grey level 128")
case("float_nan.tif", np.where(LESION, np.nan, 0).astype(np.float32), "floating-point numbers")
case("float_minus.tif", np.where(LESION, 1, -1).astype(np.float32), "numbers from -1 to 1")
case("red.png", coloured((RED, LESION)), r"colours, such as \(255, 0, 0\)")
case("red_and_green.png", coloured((RED, LESION), (GREEN, OTHER)), "colours, such as")
case("yellow.png", coloured((YELLOW, LESION)), "colours, such as")
case("red.jpg", np.kron(coloured((RED, LESION)), np.ones((4, 4, 1), np.uint8)), "colours, such")
case("palette_of_3.png", palette(ONE + OTHER * 2, [BLACK, RED, GREEN]), "goes up to 2")
case("alpha_white.png", np.dstack([np.full((36, 40, 3), 255, np.uint8), CLEAR]), "transparent in")
case("alpha_black.png", np.dstack([np.zeros((36, 40, 3), np.uint8), CLEAR]), "transparent in")
case("alpha_grey.png", np.dstack([np.zeros((36, 40), np.uint8), CLEAR]), "transparent in")
case("alpha_against.png", np.dstack([WHITE, WHITE, WHITE, 255 - CLEAR]), "transparent in")
case(
    "two_pages.tif", WHITE, "holds 2 pages", save_all=True, append_images=[Image.new("L", (40, 36))]
)
case("moving.png", WHITE, "holds 2 pages", save_all=True, append_images=[Image.new("L", (40, 36))])
case("eps.png", Image.new("RGB", (4, 4)), "not a readable image", format="EPS")
case("gif.png", WHITE, "not a readable image", format="GIF")
case("ppm.png", WHITE, "not a readable image", format="PPM")
