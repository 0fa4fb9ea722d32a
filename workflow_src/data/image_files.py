"""Image files: which are read, how they are opened, and photographs as pixels."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from workflow_src.common.errors import InputError

log = logging.getLogger(__name__)

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}
# Pillow reads many more, EPS among them, which it hands to a program.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
UNREAD = {".gif", ".jp2", ".jxl", ".heic", ".heif", ".avif", ".ppm", ".pgm", ".pnm", ".tga",
          ".psd", ".svg", ".eps", ".dcm", ".npy", ".mha", ".nii"}  # fmt: skip
LOSSY = {"jpeg", "tiff_jpeg", "webp"}  # as compressions of a TIFF
MOST = 2**16 - 1


@dataclass
class Picture:
    """An opened image file, and what its pixels no longer tell."""

    file: Image.Image
    path: Path
    lossy: bool  # whether what compressed it may have changed its levels
    wide: bool  # whether its colours have 16 bits, of which Pillow keeps the upper 8
    turn: int  # EXIF's orientation: 1 as stored, 2 to 8 to be mirrored or turned for viewing


def image_files(folder: Path) -> dict[str, Path]:
    """The image files of a folder by stem, sorted; what looks like images but is not read is said.

    Raises:
        InputError: if there is no such folder or no image in it, or two of them share a stem.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give the folder that holds the image files")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not _is_hidden(path) and not path.is_dir():
            if path.stem in files:
                raise InputError(
                    f"{path} and {files[path.stem]} share a stem: rename or remove one of them"
                )
            files[path.stem] = path
    skipped = unread(folder)
    if not files:
        held = f"; {skipped[0]} is not read" if skipped else ""
        raise InputError(
            f"{folder} holds no image: expected files named "
            + " ".join(f"*{s}" for s in sorted(SUFFIXES))
            + held
        )
    for path in skipped:
        log.warning("%s is not read: %s", path, remedy(path))
    return files


def unread(folder: Path) -> list[Path]:
    """What a folder holds of images that `image_files` leaves out: other formats, and folders."""
    found = []
    for path in sorted(folder.iterdir()):
        if _is_hidden(path):
            continue
        if path.is_dir():
            inside = (p for p in path.rglob("*") if not _is_hidden(p))
            if any(p.suffix.lower() in SUFFIXES | UNREAD for p in inside):
                found.append(path)
        elif path.suffix.lower() in UNREAD:
            found.append(path)
    return found


def remedy(path: Path) -> str:
    """What to do about something that is not read."""
    if path.is_dir():
        return f"move its images up into {path.parent}, or remove the folder"
    return "convert it to PNG, or remove it"


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


@contextmanager
def opened(path: Path, pixels: bool = True) -> Iterator[Picture]:
    """Open an image file.

    Args:
        path: the file.
        pixels: whether to decode it too, and not only its header.

    Raises:
        InputError: if it is not a regular file, in another format, damaged, too large, or of
            several pages.
    """
    if not path.is_file():
        what = "is not a regular file" if path.exists() else "does not exist, or links to nothing"
        raise InputError(f"{path} {what}: replace it with an image file, or remove it")
    try:
        file = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large ({error}): make it smaller") from error
    except Exception as error:  # decoders raise whatever they stumble over
        raise InputError(
            f"{path} is not a readable image ({_reason(error)}): replace it with a "
            f"{', '.join(FORMATS)} file"
        ) from error
    with file:
        try:
            pages = getattr(file, "n_frames", 1)
            compression = str(file.info.get("compression", ""))
            lossy = file.format in ("JPEG", "MPO") or compression in LOSSY
            lossy = lossy or (file.format == "WEBP" and _is_lossy_webp(path))
            wide = any(";16" in str(tile[3]) for tile in file.tile)
            if isinstance(file, TiffImageFile):  # of which Pillow drops the note in loading
                turn = int(file.tag_v2.get(ExifTags.Base.Orientation, 1))
            if pixels:
                file.load()
            if not isinstance(file, TiffImageFile):
                turn = _turn(file, pixels)
        except Image.DecompressionBombError as error:
            raise InputError(f"{path} is too large ({error}): make it smaller") from error
        except Exception as error:
            raise InputError(
                f"{path} is damaged ({_reason(error)}): copy or download it again"
            ) from error
        if pages > 1 and file.format != "MPO":  # of which all but the first are previews
            raise InputError(
                f"{path} holds {pages} pages or frames: save the one that is meant as a file of "
                "its own"
            )
        if turn != 1 and file.format == "TIFF":  # which Pillow turns, and other programs do not
            raise InputError(
                f"{path} notes a rotation (orientation {turn}) that programs treat differently: "
                "save it upright, without the note"
            )
        wide = wide and not file.mode.startswith("I")
        yield Picture(file, path, lossy, wide, turn)


def _is_lossy_webp(path: Path) -> bool:
    """Whether the first chunk of pixels is of the lossy kind, which only its name tells."""
    with open(path, "rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            if head[:4] in (b"VP8 ", b"VP8L"):
                return head[:4] == b"VP8 "
            length = int.from_bytes(head[4:], "little")
            file.seek(length + length % 2, 1)
    return True


def _turn(file: Image.Image, loaded: bool) -> int:
    # A PNG's own getexif() would decode the whole file first.
    exif = file.getexif() if loaded else Image.Image.getexif(file)
    turn = exif.get(ExifTags.Base.Orientation, 1)
    return turn if turn in range(1, 9) else 1


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def read_image(path: Path) -> np.ndarray:
    """Read a photograph as (H, W, 3) uint8, whatever its mode; alpha is dropped.

    Raises:
        InputError: if the file cannot be read, or its values have no certain place in 0 to 255.
    """
    with opened(path) as picture:
        return pixels_of(picture)


def pixels_of(picture: Picture) -> np.ndarray:
    """Pixels (H, W, 3) uint8 of an opened photograph, as they are stored."""
    mode = picture.file.mode
    if mode == "F":
        grey = np.rint(float_levels(picture)).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if mode.startswith("I"):  # 16-bit grey, of which cameras may use 10, 12 or 14 bits
        wide = wide_levels(picture).astype(np.float64)
        white = next((2**b - 1 for b in (8, 10, 12, 14) if wide.max() < 2**b), MOST)
        grey = np.rint(wide / white * 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    pixels = np.asarray(converted(picture, "RGB"))
    if picture.wide and 0 < pixels.max() < 16:
        raise InputError(
            f"{picture.path} has colours of 16 bits but uses only the lower ones: save it with 8 "
            "bits a colour"
        )
    return pixels


def converted(picture: Picture, mode: str) -> Image.Image:
    """The file's image in another mode of Pillow's."""
    try:
        return picture.file.convert(mode)
    except (ValueError, OSError) as error:
        raise InputError(
            f"{picture.path} has colours of the mode {picture.file.mode}, which are not read: save "
            "it as RGB or grey"
        ) from error


def float_levels(picture: Picture) -> np.ndarray:
    """Levels (H, W) float64 in [0, 255] of a file of floating-point numbers.

    Raises:
        InputError: if they lie neither in [0, 1], as fractions of white, nor in [0, 255].
    """
    levels = np.asarray(picture.file, dtype=np.float64)
    low, high = levels.min(), levels.max()
    if not (low >= 0 and high <= 255):  # not the other way round, for the sake of NaN
        raise InputError(
            f"{picture.path} holds floating-point numbers from {low:g} to {high:g}: save it with 8 "
            "bits, 0 black and 255 white"
        )
    return levels * 255 if high <= 1 else levels


def wide_levels(picture: Picture) -> np.ndarray:
    """Levels (H, W) int64 of a grey file of 16 or 32 bits.

    Raises:
        InputError: if they do not lie in [0, 65535].
    """
    levels = np.asarray(picture.file).astype(np.int64)
    low, high = levels.min(), levels.max()
    if low < 0 or high > MOST:
        raise InputError(
            f"{picture.path} holds levels from {low} to {high}: save it with 8 or 16 bits, 0 black"
        )
    return levels
