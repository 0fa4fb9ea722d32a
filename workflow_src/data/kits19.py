"""KiTS19: CT volumes with kidney and tumour labels, read as 2D slices, one volume at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from workflow_src.common.errors import InputError
from workflow_src.data.hounsfield import Extent, check_storage
from workflow_src.data.nifti import read_blocks, read_header, read_volume
from workflow_src.data.prepared import Record
from workflow_src.data.raw import RawSet, spread
from workflow_src.data.splits import hold_out

Plane = Literal["axial", "coronal", "sagittal"]
KIDNEY, TUMOUR = 1, 2
FEW = 10  # cases

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
        sample: number of segmentations to open, for a quick check; None opens all.

    Raises:
        InputError: if a case is incomplete or a header disagrees with its segmentation.
    """

    few = 3  # volumes are large
    channels = 1

    def __init__(
        self,
        root: Path,
        *,
        plane: Plane,
        window: tuple[float, float],
        target: Literal["kidney_and_tumour", "tumour"],
        slices: Literal["lesion", "all"],
        split: Literal["case", "leaky_slice"],
        validation_fraction: float,
        split_seed: int,
        test_fraction: float = 0.2,
        threads: int = 1,
        sample: int | None = None,
    ):
        super().__init__()
        self.plane, self.window, self.target, self.slices = plane, window, target, slices
        self.lowest = TUMOUR if target == "tumour" else KIDNEY  # label of the foreground
        self.cases = find_cases(root)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(_check_headers, self.cases))
            self.opened = spread(self.cases, sample)
            listed = list(pool.map(self._list_slices, self.opened))
        self.records = [record for records, _, _ in listed for record in records]
        self._slice_numbers = [number for _, numbers, _ in listed for number in numbers]
        self.spacing = {case.name: self._spacing(case) for case in self.opened}
        self.empty = [  # of the slices of other cases, `slices` says which are taken
            str(case / "segmentation.nii.gz")
            for case, (_, _, shown) in zip(self.opened, listed, strict=True)
            if not shown
        ]
        if not self.records and sample is None:
            raise InputError(
                f"no slice under {root} shows the target {target}: set `target` or `slices` "
                "otherwise, or check the segmentations"
            )
        taken = "none of its slices is taken" if slices == "lesion" else "its masks are empty"
        self.remarks = [f"{name} does not show the target {target}: {taken}" for name in self.empty]
        if len(self.cases) < FEW:
            self.remarks.append(f"{root} holds only {len(self.cases)} cases, too few for a study")
        unit = "stem" if split == "leaky_slice" else "case"
        hold_out(self.records, "test", test_fraction, split_seed, unit)
        hold_out(self.records, "val", validation_fraction, split_seed + 1, unit)

    def _list_slices(self, case: Path) -> tuple[list[Record], list[int], bool]:
        """Records and numbers of a case's slices, and whether any of them shows the target."""
        path = case / "segmentation.nii.gz"
        labels = read_header(path)
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
        return (
            [Record(f"{name}_{n:04d}", "KiTS19", name, "train", height, width) for n in numbers],
            numbers.tolist(),
            bool(shown.any()),
        )

    def _orientation(self, image: nib.Nifti1Image) -> tuple[np.ndarray, int]:
        """How the file's axes turn into (slices, rows, columns) of the plane, upright; and which
        of them is sliced."""
        wanted = axcodes2ornt(ORIENTATIONS[self.plane])
        transform = ornt_transform(io_orientation(image.affine), wanted)
        return transform, int(np.argmax(transform[:, 0] == 0))

    def _spacing(self, case: Path) -> tuple[float, float]:
        """Mm between the rows, and between the columns, of a case's slices."""
        labels = read_header(case / "segmentation.nii.gz")
        transform, _ = self._orientation(labels)
        sizes = voxel_sizes(labels.affine)
        rows, columns = (float(sizes[np.argmax(transform[:, 0] == a)]) for a in (1, 2))
        return rows, columns

    def _read_slices(self, path: Path, to_bytes: Callable, first: int, last: int) -> np.ndarray:
        """Slices first to last (exclusive) of the plane, (slices, H, W) uint8, upright."""
        header = read_header(path)
        transform, axis = self._orientation(header)
        if transform[axis, 1] < 0:  # counted from the other end of the file
            first, last = header.shape[axis] - last, header.shape[axis] - first
        return nib.apply_orientation(read_volume(path, to_bytes, axis, first, last), transform)

    def _windowed(self, hu: np.ndarray) -> np.ndarray:
        """Grey levels uint8: the window's Hounsfield units become 0 to 255."""
        low, high = self.window
        grey = hu.astype(np.float32)
        grey -= low
        grey *= 255 / (high - low)
        np.clip(grey, 0, 255, out=grey)
        return np.rint(grey, out=grey).astype(np.uint8)

    def _check_target(self, grey: np.ndarray, path: Path) -> None:
        """Refuse a volume whose target, the grey levels given, is nowhere inside the window."""
        for level, words in ((0, "below"), (255, "above")):
            if grey.size and (grey == level).mean() > 0.99:
                raise InputError(
                    f"{path} has its {self.target} {words} the window of {self.window} HU: correct "
                    "its offset, or set `window` otherwise"
                )

    def summary(self) -> str:
        """What the set holds, in a few words."""
        return f"{len(self.cases)} cases"

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

        scan_file, labels_file = case / "imaging.nii.gz", case / "segmentation.nii.gz"
        extent = Extent(scan_file)

        def seen(values: np.ndarray) -> np.ndarray:
            extent.add(values)
            return self._windowed(values)

        scan = self._read_slices(scan_file, seen, first, last)
        extent.check()
        labels = self._read_slices(
            labels_file, lambda values: _checked_labels(values, labels_file), first, last
        )
        self._check_target(scan[labels >= self.lowest], scan_file)
        return [
            (
                np.ascontiguousarray(scan[number - first])[..., None],
                (labels[number - first] >= self.lowest).astype(np.uint8),
            )
            for number in numbers
        ]


def _check_headers(case: Path) -> None:
    path = case / "segmentation.nii.gz"
    labels, scan = read_header(path), read_header(case / "imaging.nii.gz")
    check_storage(scan, case / "imaging.nii.gz")
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
