"""The prepared set: one folder, the same for real, phantom and synthetic images.

    images.npy           (N, S, S, C) uint8; with native sizes a flat array, image after image
    masks.npy            (N, S, S) uint8 of 0 and 1; with native sizes flat likewise
    original_masks.npy   flat uint8: the masks of the test rows at their original size
    index.csv            per image: stem, source, case, split, height, width, lesion_fraction
    meta.json            origin, settings, and the sha256 of the arrays

Arrays are memory-mapped, so nothing is decoded twice and a set of any size costs no memory. The
small meta.json stands for the whole folder in the workflow's graph.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.json_files import facts_of
from workflow_src.common.outputs import require_space, write_json
from workflow_src.data.arrays import check_file, large_sha256, opened_array, reserved_array

FORMAT_VERSION = 1
SPLITS = ("train", "val", "test")


@dataclass
class Record:
    """One image of a set: the row that index.csv keeps of it."""

    stem: str
    source: str  # the set it comes from, "Kvasir" or "KiTS19"
    case: str  # what must not be split: the patient, or the sequence that a frame is of
    split: str
    height: int  # original size in pixels
    width: int
    lesion_fraction: float = 0.0


def resize_image(image: np.ndarray, size: int) -> np.ndarray:
    """Resize (H, W, C) uint8 to (size, size, C), bicubic with antialiasing, aspect not kept."""
    if image.shape[:2] == (size, size):
        return image
    resized = Image.fromarray(image.squeeze()).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized).reshape(size, size, image.shape[2])


def resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Resize (H, W) of 0 and 1 to (size, size) by the area covered, at least half.

    A lesion too small to fill half a pixel keeps the pixels that it covers most: it never vanishes.
    """
    if mask.shape == (size, size):
        return mask
    cover = np.asarray(
        Image.fromarray(mask.astype(np.float32)).resize((size, size), Image.Resampling.BOX)
    )
    if mask.any() and cover.max() < 0.5:
        return (cover == cover.max()).astype(np.uint8)
    return (cover >= 0.5).astype(np.uint8)


def _starts(pixels: np.ndarray, tested: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each image begins (N + 1,) in a flat array of all images, and in one of test images."""
    every = np.concatenate([[0], np.cumsum(pixels)])
    return every, np.concatenate([[0], np.cumsum(np.where(tested, pixels, 0))])


class PreparedSet:
    """A prepared set opened for reading.

    Args:
        folder: where it lies.

    Raises:
        InputError: if the folder holds no complete prepared set, one of another version, or one
            that was changed or damaged since.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        meta = self.folder / "meta.json"
        if not meta.is_file():
            raise InputError(
                f"{self.folder} holds no prepared set (no meta.json): "
                "make one with `python -m workflow_src.prepare_data`"
            )
        with facts_of(meta) as facts:
            self.meta: dict = facts
            version = facts["format"]
            self.channels: int = facts["channels"]
            self.size: int | None = facts["size"]  # None: native sizes
            count: int = facts["images"]
            self._sha256: dict[str, str] = dict(facts["sha256"])
            check_file(self.folder / "index.csv", self._sha256["index.csv"])
        if version != FORMAT_VERSION:
            raise InputError(
                f"{self.folder} is a prepared set of format {version}, and this version of the "
                f"workflow reads {FORMAT_VERSION}: remove it and make it again"
            )
        self.index = pd.read_csv(
            self.folder / "index.csv",
            dtype={"stem": str, "source": str, "case": str, "duplicate_of": str},
            keep_default_na=False,
        )
        if len(self.index) != count:
            raise InputError(
                f"{self.folder}/index.csv has {len(self.index)} rows but meta.json says {count}: "
                "copy the folder again, or remove it and make it again"
            )
        pixels = (self.index.height * self.index.width).to_numpy()
        self._starts, self._test_starts = _starts(pixels, (self.index.split == "test").to_numpy())
        total, side = int(self._starts[-1]), self.size
        native = side is None
        self.images = self._open(
            "images", (total * self.channels,) if native else (count, side, side, self.channels)
        )
        self.masks = self._open("masks", (total,) if native else (count, side, side))

    def _open(self, name: str, shape: tuple) -> np.ndarray:
        """An array of the folder, mapped, and checked against meta.json."""
        path = self.folder / f"{name}.npy"
        array = opened_array(path, shape)
        check_file(
            path, self._sha256.get(path.name, ""), self.meta.get("spread_sha256", {}).get(path.name)
        )
        return array

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, *splits: str) -> np.ndarray:
        """Row numbers of the images that belong to any of the splits."""
        return np.flatnonzero(self.index.split.isin(splits))

    def shape(self, row: int) -> tuple[int, int]:
        """Original height and width of an image."""
        return int(self.index.height[row]), int(self.index.width[row])

    def image(self, row: int) -> np.ndarray:
        """Image (H, W, C) uint8, at the set's size."""
        if self.size is not None:
            return self.images[row]
        start, stop = self._starts[row : row + 2] * self.channels
        return self.images[start:stop].reshape(*self.shape(row), self.channels)

    def mask(self, row: int) -> np.ndarray:
        """Mask (H, W) uint8 of 0 and 1, at the set's size."""
        if self.size is not None:
            return self.masks[row]
        start, stop = self._starts[row : row + 2]
        return self.masks[start:stop].reshape(self.shape(row))

    @cached_property
    def _original_masks(self) -> np.ndarray:
        return self._open("original_masks", (int(self._test_starts[-1]),))

    def original_mask(self, row: int) -> np.ndarray:
        """Mask (H, W) of a test image at its original size: what predictions are scored against."""
        if self.size is None:
            return self.mask(row)
        if self.index.split[row] != "test":
            raise ValueError(f"row {row} of {self.folder} is not a test image")
        start, stop = self._test_starts[row : row + 2]
        return self._original_masks[start:stop].reshape(self.shape(row))


class PreparedWriter:
    """Write a prepared set into a folder that the caller renames when it is whole.

    Args:
        folder: an existing, empty folder.
        records: the rows, in the order in which the images will lie.
        channels: 3 for photographs, 1 for CT.
        size: side length in pixels, or None to keep each image's own size.

    Raises:
        InputError: if the disk has too little space.
    """

    def __init__(self, folder: Path, records: list[Record], channels: int, size: int | None):
        self.folder, self.records, self.channels, self.size = folder, records, channels, size
        pixels = np.array([r.height * r.width for r in records], dtype=np.int64)
        tested = np.array([r.split == "test" for r in records], dtype=bool)
        self._starts, self._test_starts = _starts(pixels, tested)
        n = len(records)
        require_space(folder, self.bytes_needed(records, channels, size), f"the set in {folder}")
        if size is None:
            self._images = self._new("images", (int(pixels.sum()) * channels,))
            self._masks = self._new("masks", (int(pixels.sum()),))
        else:
            self._images = self._new("images", (n, size, size, channels))
            self._masks = self._new("masks", (n, size, size))
            self._original = self._new("original_masks", (int(self._test_starts[-1]),))

    def _new(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        return reserved_array(self.folder / f"{name}.npy", shape)

    @staticmethod
    def bytes_needed(records: list[Record], channels: int, size: int | None) -> int:
        """Disk space that the arrays will take."""
        native = sum(r.height * r.width for r in records)
        if size is None:
            return native * (channels + 1)
        tested = sum(r.height * r.width for r in records if r.split == "test")
        return len(records) * size * size * (channels + 1) + tested

    def put(self, row: int, image: np.ndarray, mask: np.ndarray) -> None:
        """Store one image (H, W, C) uint8 and its mask (H, W) of 0 and 1, at original size."""
        record = self.records[row]
        record.lesion_fraction = float(mask.mean())
        if self.size is None:
            start, stop = self._starts[row : row + 2]
            self._masks[start:stop] = mask.ravel()
            self._images[start * self.channels : stop * self.channels] = image.ravel()
            return
        self._images[row] = resize_image(image, self.size)
        self._masks[row] = resize_mask(mask, self.size)
        if record.split == "test":
            start, stop = self._test_starts[row : row + 2]
            self._original[start:stop] = mask.ravel()

    def finish(self, meta: dict, extra_columns: dict[str, list] | None = None) -> None:
        """Flush the arrays and write index.csv and meta.json."""
        index = pd.DataFrame([asdict(r) for r in self.records])
        for name, values in (extra_columns or {}).items():
            index[name] = values
        index.to_csv(self.folder / "index.csv", index=False)
        for array in (self._images, self._masks, getattr(self, "_original", None)):
            if isinstance(array, np.memmap):
                array.flush()
        files = sorted(p for p in self.folder.iterdir() if p.suffix in {".npy", ".csv"})
        full = {
            "format": FORMAT_VERSION,
            "images": len(self.records),
            "channels": self.channels,
            "size": self.size,
            "splits": {s: int((index.split == s).sum()) for s in SPLITS},
            "mean_lesion_fraction": float(index.lesion_fraction.mean()),
            **meta,
            "sha256": {p.name: file_sha256(p) for p in files},
            "spread_sha256": large_sha256(files),
        }
        write_json(self.folder / "meta.json", full)
