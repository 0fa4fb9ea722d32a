"""Photographs with masks: PraNet's polyp folders, or any two folders of images and masks."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from workflow_src.common.errors import InputError
from workflow_src.data.cases import guess_cases, name_cases
from workflow_src.data.prepared import Record
from workflow_src.data.raw import RawSet
from workflow_src.data.splits import hold_out, thumbnail

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
FOLDER_NAMES = (("images", "masks"), ("image", "mask"))
JPEG_NOISE = 15  # grey levels around an edge that was cut off; the lesion's are far above them
Pair = tuple[Path, Path]


def find_pairs(folder: Path) -> list[Pair]:
    """Match the images of a folder with their masks, by stem.

    Args:
        folder: holds `images/` and `masks/`, or `image/` and `mask/`; files may be .png, .jpg,
            .jpeg, .tif, .tiff or .bmp, in any case.

    Returns:
        (image, mask) paths in order of the stem.

    Raises:
        InputError: where a folder is missing or empty, or an image or a mask has no partner.
    """
    for image_name, mask_name in FOLDER_NAMES:
        if (folder / image_name).is_dir() and (folder / mask_name).is_dir():
            break
    else:
        raise InputError(
            f"{folder} has no images/ and masks/ (nor image/ and mask/): "
            f"it holds {_listing(folder)}; put the images in one and the masks in the other"
        )
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


def image_files(folder: Path) -> dict[str, Path]:
    """The image files of a folder by stem, sorted; other files are none of our business.

    Raises:
        InputError: if there is no such folder or no image in it, or two of them share a stem.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the folder that holds the image files")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in files:
                raise InputError(
                    f"{path} and {files[path.stem]} share a stem: rename or remove one of them"
                )
            files[path.stem] = path
    if not files:
        raise InputError(
            f"{folder} holds no image: expected files named "
            + " ".join(f"*{s}" for s in sorted(SUFFIXES))
        )
    return files


def read_image(path: Path) -> np.ndarray:
    """Read a photograph as (H, W, 3) uint8, whatever its mode; alpha is dropped."""
    with _opened(path) as file:
        if file.mode.startswith("I"):  # 16-bit grey, of which cameras may use 10, 12 or 14 bits
            grey = np.asarray(file, dtype=np.float64).clip(min=0)
            white = next((2**b - 1 for b in (8, 10, 12, 14) if grey.max() < 2**b), 2**16 - 1)
            grey = np.rint(grey / white * 255).clip(max=255).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
        return np.asarray(file.convert("RGB"))


def read_mask(path: Path) -> np.ndarray:
    """Read a mask as (H, W) uint8 of 0 and 1.

    Grey edges, as JPEG leaves them, fall to the nearer side. A file of labels 0 and 1 is taken as
    such, and so is one whose colours stand for labels.

    Raises:
        InputError: if it holds other labels, or is too dark to tell what is lesion.
    """
    with _opened(path) as file:
        compressed = file.format == "JPEG"
        if file.mode == "P" and not _is_grey(file):
            grey, half = np.asarray(file), 0
        else:
            grey = np.asarray(file if file.mode.startswith("I") else file.convert("L"))
            half = 127 if grey.max(initial=0) <= 255 else 32767
    top = int(grey.max(initial=0))
    if top <= 1:
        return grey.astype(np.uint8)
    if compressed and top <= JPEG_NOISE:
        return np.zeros(grey.shape, np.uint8)
    if half == 0 or top <= half:
        raise InputError(
            f"mask {path} goes up to {top}, neither white on black nor labels 0 and 1: save the "
            "lesion as 255 (or 1) and all else as 0, one lesion class to a set"
        )
    return (grey > half).astype(np.uint8)


def _is_grey(file: Image.Image) -> bool:
    """Whether every pixel's colour is a grey."""
    colours = np.asarray(file.convert("RGB"))
    return bool((colours == colours[..., :1]).all())


class Photographs(RawSet):
    """A raw set of photographs.

    Args:
        root: PraNet's layout (`TrainDataset/`, `TestDataset/<set>/`), or with `test_fraction` one
            folder of images and masks to be split.
        test_sets: the test sets wanted; None takes those that are there.
        validation_fraction: part of the training images set aside for choosing checkpoints.
        test_fraction: part of the images to test on, where the root is one folder.
        split_seed: seed of the splits.
        empty_masks: what to do with an image whose mask is all background.
        threads: files read at once.
        cases: a table of stems and cases; see `name_cases`.
        case_pattern: regular expression whose first group, in a stem, is the case.

    Raises:
        InputError: if the root or any pair is not as described.
    """

    channels = 3

    def __init__(
        self,
        root: Path,
        test_sets: list[str] | None = None,
        validation_fraction: float = 0.1,
        test_fraction: float | None = None,
        split_seed: int = 0,
        empty_masks: Literal["keep", "drop", "refuse"] = "keep",
        threads: int = 1,
        cases: Path | str | None = None,
        case_pattern: str | None = None,
    ):
        super().__init__()
        self.files: list[Pair] = []
        if not root.is_dir():
            raise InputError(f"{root} is no folder: give the root of the raw images as `root`")
        if test_fraction is None:
            self._read_pranet(root, test_sets)
        else:
            self._add(find_pairs(root), root.name, "train")
        folders = [image.parent.parent for image, _ in self.files]
        name_cases(self.records, folders, None if cases is None else Path(cases), case_pattern)
        self.empty = self._find_empty(empty_masks, threads)
        self.guessed = self._guess_cases(threads)
        if test_fraction is not None:
            hold_out(self.records, "test", test_fraction, split_seed)
        hold_out(self.records, "val", validation_fraction, split_seed + 1)

    def _read_pranet(self, root: Path, test_sets: list[str] | None) -> None:
        if not (root / "TrainDataset").is_dir():
            raise InputError(
                f"{root} has no TrainDataset/: it holds {_listing(root)}; give the folder that "
                "holds TrainDataset/ and TestDataset/, or set `test_fraction` for one folder of "
                "images/ and masks/"
            )
        self._add(find_pairs(root / "TrainDataset"), "TrainDataset", "train")
        tests = root / "TestDataset"
        there = sorted(p.name for p in tests.iterdir() if p.is_dir()) if tests.is_dir() else []
        for name in test_sets if test_sets is not None else there:
            if name in there:
                self._add(find_pairs(tests / name), name, "test")
            else:
                self.missing_sets.append(name)

    def _find_empty(self, empty_masks: str, threads: int) -> list[str]:
        """Names of the images whose mask is all background; dropped here if they are to be."""
        with ThreadPoolExecutor(threads) as pool:
            shown = list(pool.map(lambda pair: bool(read_mask(pair[1]).any()), self.files))
        empty = [str(f[1]) for f, lesion in zip(self.files, shown, strict=True) if not lesion]
        if not any(shown):
            raise InputError(
                f"mask {empty[0]} is all background, and so are all {len(empty)} of the set: the "
                "lesion must be white on black, or 1 on 0"
            )
        if empty and empty_masks == "refuse":
            raise InputError(
                f"mask {empty[0]} is all background (one of {len(empty)}): draw the lesion, remove "
                "the pair, or set `empty_masks` to keep or drop"
            )
        if empty_masks == "drop":
            self.files = [f for f, lesion in zip(self.files, shown, strict=True) if lesion]
            self.records = [r for r, lesion in zip(self.records, shown, strict=True) if lesion]
        return empty

    def _add(self, pairs: list[Pair], source: str, split: str) -> None:
        for image, mask in pairs:
            with _opened(image) as a, _opened(mask) as b:
                if a.size != b.size:
                    raise InputError(
                        f"mask {mask} is {b.width}x{b.height} pixels but its image {image} is "
                        f"{a.width}x{a.height}: they must be equal; export the mask again"
                    )
                width, height = a.size
            self.files.append((image, mask))
            self.records.append(Record(image.stem, source, "", split, height, width))

    def _guess_cases(self, threads: int) -> set[str]:
        """Cases of the images that nothing names, found by their likeness."""
        rows = [row for row, record in enumerate(self.records) if not record.case]
        if not rows:
            return set()
        with ThreadPoolExecutor(threads) as pool:
            seen = pool.map(lambda row: thumbnail(read_image(self.files[row][0])), rows)
            thumbnails = np.stack(list(seen))
        unnamed = [self.records[row] for row in rows]
        guess_cases(unnamed, thumbnails)
        return {record.case for record in unnamed}

    def read(self, rows: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images (H, W, 3) uint8 and masks (H, W) of 0 and 1 of the rows."""
        return [(read_image(self.files[r][0]), read_mask(self.files[r][1])) for r in rows]


class _opened:
    """Open an image and turn what Pillow says of a broken one into an InputError."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> Image.Image:
        try:
            self.file = Image.open(self.path)
        except (UnidentifiedImageError, OSError) as error:
            raise InputError(f"{self.path} is no readable image ({error}): replace it") from error
        except Image.DecompressionBombError as error:
            raise InputError(f"{self.path} is too large ({error}): make it smaller") from error
        return self.file

    def __exit__(self, kind, error, trace) -> None:
        self.file.close()
        if isinstance(error, (OSError, SyntaxError)):
            raise InputError(
                f"{self.path} is damaged ({error}): copy or download it again"
            ) from error


def _natural(stem: str) -> tuple:
    """Sort key that puts 2 before 10."""
    return (0, int(stem), stem) if stem.isdigit() else (1, 0, stem)


def _listing(folder: Path) -> str:
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "nothing"
