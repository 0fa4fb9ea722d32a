"""KiTS19: CT volumes with kidney and tumour labels, read as 2D slices, one volume at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from workflow_src.common.errors import InputError
from workflow_src.data.nifti import read_blocks, read_header, read_volume
from workflow_src.data.prepared import Record
from workflow_src.data.raw import RawSet
from workflow_src.data.splits import hold_out

Plane = Literal["axial", "coronal", "sagittal"]
KIDNEY, TUMOUR = 1, 2

# What (slice, row, column) run towards, as a radiologist hangs the picture: on an axial slice
# rows run to posterior and columns to the patient's left.
ORIENTATIONS = {"axial": "SPL", "coronal": "PIL", "sagittal": "LIP"}


class KiTS19(RawSet):
    """The raw KiTS19 set: `case_XXXXX/imaging.nii.gz` and `segmentation.nii.gz`.

    Args:
        root: the folder of the cases, or one that holds them in `data/`.
        plane: in which plane to slice; orientation is taken from each header.
        window: Hounsfield units that become 0 and 255.
        target: which labels make the foreground.
        slices: "lesion" takes slices with the target, "all" takes every slice.
        split: "case" keeps a patient on one side. "leaky_slice" splits slice by slice, so that
            neighbouring slices of one patient stand on both sides; only for showing what that does.
        validation_fraction: part of the training cases set aside for choosing checkpoints.
        test_fraction: part of the cases to test on.
        split_seed: seed of the splits.
        threads: volumes read at once; memory is bounded by one volume each.

    Raises:
        InputError: if a case is incomplete or a header disagrees with its segmentation.
    """

    channels = 1

    def __init__(
        self,
        root: Path,
        plane: Plane = "axial",
        window: tuple[float, float] = (-160.0, 240.0),
        target: Literal["kidney_and_tumour", "tumour"] = "kidney_and_tumour",
        slices: Literal["lesion", "all"] = "lesion",
        split: Literal["case", "leaky_slice"] = "case",
        validation_fraction: float = 0.1,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        threads: int = 1,
    ):
        super().__init__()
        self.plane, self.window, self.target, self.slices = plane, window, target, slices
        self.lowest = TUMOUR if target == "tumour" else KIDNEY  # label of the foreground
        self.cases = find_cases(root)
        with ThreadPoolExecutor(threads) as pool:
            listed = list(pool.map(self._list_slices, self.cases))
        self.records = [record for records, _ in listed for record in records]
        self._slice_numbers = [number for _, numbers in listed for number in numbers]
        if not self.records:
            raise InputError(
                f"no slice under {root} shows the target {target}: set `target` or `slices` "
                "otherwise, or check the segmentations"
            )
        unit = "stem" if split == "leaky_slice" else "case"
        hold_out(self.records, "test", test_fraction, split_seed, unit)
        hold_out(self.records, "val", validation_fraction, split_seed + 1, unit)

    def _list_slices(self, case: Path) -> tuple[list[Record], list[int]]:
        path = case / "segmentation.nii.gz"
        labels, scan = read_header(path), read_header(case / "imaging.nii.gz")
        if labels.shape != scan.shape:
            raise InputError(
                f"{path} has shape {labels.shape} but its imaging.nii.gz has {scan.shape}: "
                "they must be equal; fetch the case again"
            )
        if not np.allclose(labels.affine, scan.affine, atol=1e-2):
            raise InputError(
                f"the header of {path} places it elsewhere than its imaging.nii.gz (the affines "
                "differ): fetch the case again, or copy the affine from the imaging"
            )
        transform, axis = self._orientation(labels)
        shown = np.zeros(labels.shape[axis], bool)
        for part, values in read_blocks(path):
            other = tuple(a for a in range(3) if a != axis)
            found = _checked_labels(values, path).max(axis=other) >= self.lowest
            shown[part if axis == 2 else slice(None)] |= found
        if transform[axis, 1] < 0:
            shown = shown[::-1]
        numbers = np.flatnonzero(shown if self.slices == "lesion" else np.ones_like(shown))
        height, width = (labels.shape[int(np.argmax(transform[:, 0] == a))] for a in (1, 2))
        name = case.name
        return [
            Record(f"{name}_{n:04d}", "KiTS19", name, "train", height, width) for n in numbers
        ], numbers.tolist()

    def _orientation(self, image: nib.Nifti1Image) -> tuple[np.ndarray, int]:
        """How the file's axes turn into (slices, rows, columns) of the plane, upright; and which
        of them is sliced."""
        wanted = axcodes2ornt(ORIENTATIONS[self.plane])
        transform = ornt_transform(io_orientation(image.affine), wanted)
        return transform, int(np.argmax(transform[:, 0] == 0))

    def _read_slices(self, path: Path, to_bytes: Callable, first: int, last: int) -> np.ndarray:
        """Slices first to last (exclusive) of the plane, (slices, H, W) uint8, upright."""
        header = read_header(path)
        transform, axis = self._orientation(header)
        if transform[axis, 1] < 0:  # counted from the other end of the file
            first, last = header.shape[axis] - last, header.shape[axis] - first
        return nib.apply_orientation(read_volume(path, to_bytes, axis, first, last), transform)

    def _windowed(self, hu: np.ndarray, path: Path) -> np.ndarray:
        """Grey levels uint8: the window's Hounsfield units become 0 to 255."""
        low, high = self.window
        grey = hu.astype(np.float32)
        if hu.dtype.kind == "f" and not np.isfinite(grey).all():
            raise InputError(f"{path} holds voxels that are not finite: fetch or export it again")
        grey -= low
        grey *= 255 / (high - low)
        np.clip(grey, 0, 255, out=grey)
        return np.rint(grey, out=grey).astype(np.uint8)

    def groups(self) -> list[list[int]]:
        """Rows that are read together: the slices of one volume."""
        rows: dict[str, list[int]] = {}
        for row, record in enumerate(self.records):
            rows.setdefault(record.case, []).append(row)
        return list(rows.values())

    def read(self, rows: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Slices (H, W, 1) uint8 and masks (H, W) of 0 and 1 of the rows, all of one case."""
        case = next(c for c in self.cases if c.name == self.records[rows[0]].case)
        numbers = [self._slice_numbers[row] for row in rows]
        first, last = min(numbers), max(numbers) + 1

        def part(name: str, to_bytes: Callable) -> np.ndarray:
            path = case / name
            return self._read_slices(path, lambda values: to_bytes(values, path), first, last)

        scan = part("imaging.nii.gz", self._windowed)
        labels = part("segmentation.nii.gz", _checked_labels)
        return [
            (
                np.ascontiguousarray(scan[number - first])[..., None],
                (labels[number - first] >= self.lowest).astype(np.uint8),
            )
            for number in numbers
        ]


def find_cases(root: Path) -> list[Path]:
    """The case folders under a root, each checked to be complete.

    Raises:
        InputError: if there are none, or one lacks its imaging or its segmentation.
    """
    for folder in (root, root / "data"):
        cases = sorted(folder.glob("case_*")) if folder.is_dir() else []
        if cases:
            break
    else:
        raise InputError(
            f"{root} holds no case_XXXXX folder: give the folder of KiTS19's cases as `root`"
        )
    for case in cases:
        for name in ("imaging.nii.gz", "segmentation.nii.gz"):
            if not (case / name).is_file():
                raise InputError(
                    f"{case} lacks {name}: fetch it (`python -m workflow_src.fetch_kits19 --help`)"
                    " or remove the case"
                )
    return cases


def _checked_labels(values: np.ndarray, path: Path) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # NaN is told apart below
        labels = values.astype(np.uint8)
    odd = (labels != values) | (labels > TUMOUR)
    if odd.any():
        raise InputError(
            f"{path} holds the labels {np.unique(values[odd])[:5].tolist()}: only "
            "0 (background), 1 (kidney) and 2 (tumour) are allowed"
        )
    return labels
