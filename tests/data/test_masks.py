"""Masks show what their files show, or are refused by name in one line."""

import os
import struct
import zlib

import numpy as np
import pytest
from conftest import raw_set
from mask_cases import CASES, LESION, WHITE
from PIL import Image

from workflow_src.common.errors import InputError
from workflow_src.data.image_files import image_files, read_image
from workflow_src.data.masks import read_mask
from workflow_src.data.pairs import find_pairs, read_pair
from workflow_src.data.photographs import Photographs


def refused(path, words: str, read=read_mask) -> None:
    with pytest.raises(InputError, match=words) as error:
        read(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize(("name", "write", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_mask_shows_what_its_file_shows_or_is_refused(name, write, expected, tmp_path):
    write(tmp_path / name)
    if isinstance(expected, str):
        refused(tmp_path / name, expected)
    else:
        np.testing.assert_array_equal(read_mask(tmp_path / name), expected)


def write_rgb48(path, pixels: np.ndarray) -> None:
    """Write (H, W) uint16 as a PNG of 16 bits a colour, which Pillow reads but does not write."""
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in pixels)
    content = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", *pixels.shape[::-1], 16, 2, 0, 0, 0)
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(content)


def test_colours_of_16_bits_are_not_taken_for_black(tmp_path):
    """Pillow keeps the upper byte alone, which of labels and of 12-bit cameras is nothing."""
    write_rgb48(tmp_path / "labels.png", LESION.astype(np.uint16))
    refused(tmp_path / "labels.png", "colours of 16 bits")
    write_rgb48(tmp_path / "image.png", LESION * np.uint16(4000))
    refused(tmp_path / "image.png", "16 bits but uses only the lower ones", read_image)
    write_rgb48(tmp_path / "bright.png", LESION * np.uint16(65535))
    np.testing.assert_array_equal(read_image(tmp_path / "bright.png")[..., 0], WHITE)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 1, 20), np.linspace(0, 255, 20)),
        (np.linspace(0, 255, 20), np.linspace(0, 255, 20)),
        (np.linspace(0, 1e4, 20), "numbers from 0 to 10000"),
        (np.linspace(-1, 1, 20), "numbers from -1 to 1"),
        (np.full(20, np.nan), "floating-point numbers"),
        (np.full(20, np.inf), "floating-point numbers"),
    ],
)
def test_floating_point_photographs_are_scaled_or_refused(values, expected, tmp_path):
    Image.fromarray(values.reshape(4, 5).astype(np.float32)).save(tmp_path / "a.tif")
    if isinstance(expected, str):
        refused(tmp_path / "a.tif", expected, read_image)
    else:
        np.testing.assert_array_equal(
            read_image(tmp_path / "a.tif")[..., 0].ravel(), np.rint(expected)
        )


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_not_a_regular_file_is_named_and_not_waited_for(kind, tmp_path):
    path = tmp_path / "a.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere.png")
    refused(path, "is not a regular file|links to nothing")


# EXIF orientations of image and mask, the image's stored size, the mask's, and what is expected:
# the image as it is stored, turned upright, or refused.
TURNS = [
    (1, 1, (40, 36), (40, 36), "stored"),
    (6, 6, (40, 36), (40, 36), "stored"),
    (6, 1, (40, 36), (40, 36), "stored"),
    (6, 1, (40, 36), (36, 40), "upright"),
    (8, 1, (40, 36), (36, 40), "upright"),
    (5, 1, (40, 36), (36, 40), "upright"),
    (7, 1, (40, 36), (36, 40), "upright"),
    (6, 1, (40, 36), (20, 18), "they must be equal"),
    (6, 1, (36, 36), (36, 36), "EXIF orientation 6"),
    (3, 1, (40, 36), (40, 36), "EXIF orientation 3"),
    (2, 1, (40, 36), (40, 36), "EXIF orientation 2"),
    (1, 3, (40, 36), (40, 36), "EXIF orientation 1 and mask .* 3"),
    (6, 8, (40, 36), (40, 36), "EXIF orientation 6 and mask .* 8"),
    (9, 1, (40, 36), (40, 36), "stored"),  # no orientation of EXIF's
]


@pytest.mark.parametrize(("image_turn", "mask_turn", "size", "mask_size", "expected"), TURNS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_noted_rotation_is_made_only_where_it_is_certain(
    image_turn, mask_turn, size, mask_size, expected, suffix, tmp_path
):
    stored = np.random.default_rng(0).integers(0, 256, (size[1] // 4, size[0] // 4, 3))
    stored = np.kron(stored.astype(np.uint8), np.ones((4, 4, 1), np.uint8))
    files = (tmp_path / f"a{suffix}", tmp_path / "mask.png")
    picture, mask = Image.fromarray(stored), Image.new("1", mask_size, 1)
    for file, saved, turn in zip(files, (picture, mask), (image_turn, mask_turn), strict=True):
        exif = Image.Exif()
        exif[0x0112] = turn
        saved.save(file, exif=exif, quality=95)
    if expected not in ("stored", "upright"):
        with pytest.raises(InputError, match=expected):
            read_pair(*files)
        return
    pixels, lesion = read_pair(*files)
    assert pixels.shape[:2] == lesion.shape == mask_size[::-1]
    plain = read_image(files[0])
    turned = {6: np.rot90(plain, -1), 8: np.rot90(plain, 1), 5: plain.transpose(1, 0, 2),
              7: np.rot90(plain, 2).transpose(1, 0, 2)}  # fmt: skip
    np.testing.assert_array_equal(pixels, turned[image_turn] if expected == "upright" else plain)


def test_a_rotated_tiff_is_refused(tmp_path):
    Image.fromarray(WHITE).save(tmp_path / "a.tif", tiffinfo={0x0112: 6})
    refused(tmp_path / "a.tif", "orientation 6")


@pytest.fixture
def pairs(tmp_path):
    """A function that writes photographs and given masks into a folder; the folder comes out."""

    def write(masks: list[np.ndarray], folder: str = "set"):
        rng = np.random.default_rng(0)
        for part in ("images", "masks"):
            (tmp_path / folder / part).mkdir(parents=True)
        for number, mask in enumerate(masks):
            photograph = rng.integers(0, 256, (*mask.shape[:2], 3)).astype(np.uint8)
            Image.fromarray(photograph).save(tmp_path / folder / "images" / f"{number}.png")
            Image.fromarray(mask).save(tmp_path / folder / "masks" / f"{number}.png")
        return tmp_path / folder

    return write


def read_set(folder, **options):
    return raw_set(Photographs, folder, test_fraction=0.25, validation_fraction=0, **options)


def test_inverted_masks_are_asked_about(pairs):
    folder = pairs([255 - WHITE] * 3 + [WHITE])
    with pytest.raises(InputError, match="more than half of the image in 3 of 4 masks of set"):
        read_set(folder)
    assert len(read_set(folder, large_lesions="keep").records) == 4
    assert len(read_set(pairs([255 - WHITE] + [WHITE] * 3, "few")).records) == 4


def test_one_inverted_test_set_is_asked_about(pairs):
    for name, mask in (
        ("TrainDataset", WHITE),
        ("TestDataset/A", WHITE),
        ("TestDataset/B", 255 - WHITE),
    ):
        folder = pairs([mask] * 4, f"raw/{name}")
    with pytest.raises(InputError, match="in 4 of 4 masks of B, such as"):
        raw_set(Photographs, folder.parents[1])


def test_swapped_folders_are_refused(pairs):
    folder = pairs([WHITE] * 4)
    (folder / "images").rename(folder / "new")
    (folder / "masks").rename(folder / "images")
    (folder / "new").rename(folder / "masks")
    with pytest.raises(InputError, match="holds colours.*masks/ are swapped"):
        read_set(folder)
    for path in (folder / "masks").iterdir():
        Image.open(path).convert("L").resize((160, 144)).save(path)
    for path in (folder / "images").iterdir():
        Image.open(path).resize((160, 144)).save(path)
    with pytest.raises(InputError, match="areas of the grey level.*masks/ are swapped"):
        read_set(folder)


def test_masks_written_in_two_ways_are_refused(pairs):
    with pytest.raises(InputError, match="white on black but .* holds labels 0 and 1"):
        read_set(pairs([WHITE, WHITE, LESION.astype(np.uint8), WHITE]))
    read_set(pairs([WHITE, np.zeros_like(WHITE), WHITE], "with an empty one"))


def test_a_set_that_drops_all_its_training_images_is_refused(pairs):
    folder = pairs([np.zeros_like(WHITE)] * 3, "raw/TrainDataset").parent
    pairs([WHITE] * 2, "raw/TestDataset/A")
    with pytest.raises(InputError, match="no training image is left"):
        raw_set(Photographs, folder, empty_masks="drop")


@pytest.mark.parametrize("part", ["images", "masks"])
@pytest.mark.parametrize("name", ["more/1.png", "a.gif", "a.HEIC", "scan.dcm", "more/deep/1.gif"])
def test_images_that_are_not_read_are_said(pairs, part, name, caplog):
    folder, first = pairs([WHITE] * 2), name.split("/")[0]
    extra = folder / part / name
    extra.parent.mkdir(parents=True, exist_ok=True)
    extra.write_bytes(b"")
    with pytest.raises(
        InputError, match=rf"{part}/{name.split('/')[0]} is not read: (move|convert)"
    ):
        find_pairs(folder)
    assert len(image_files(folder / part)) == 2
    assert f"{part}/{first} is not read" in caplog.text


@pytest.mark.parametrize(
    "name", ["notes.txt", ".cache/1.png", ".a.png", "Thumbs.db", "sub/notes.txt"]
)
def test_what_is_not_an_image_or_hidden_does_not_matter(pairs, name, caplog):
    folder = pairs([WHITE] * 2)
    extra = folder / "images" / name
    extra.parent.mkdir(parents=True, exist_ok=True)
    extra.write_bytes(b"")
    assert len(find_pairs(folder)) == 2 and not caplog.text


def test_folders_of_both_names_are_refused(pairs):
    folder = pairs([WHITE])
    for part in ("image", "mask"):
        (folder / part).mkdir()
    with pytest.raises(InputError, match="both images/ and masks/ and image/ and mask/"):
        find_pairs(folder)
