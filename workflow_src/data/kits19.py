"""KiTS19: CT volumes with kidney and tumour labels, read as 2D slices, one volume at a time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from workflow_src.data.prepared import Record
from workflow_src.data.splits import hold_out
from workflow_src.errors import InputError

Plane = Literal["axial", "coronal", "sagittal"]
KIDNEY, TUMOUR = 1, 2

# What (slice, row, column) run towards, as a radiologist hangs the picture: on an axial slice
# rows run to posterior and columns to the patient's left.
ORIENTATIONS = {"axial": "SPL", "coronal": "PIL", "sagittal": "LIP"}


class KiTS19:
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
        self.missing_sets: list[str] = []
        self.empty: list[str] = []  # slices without the target are chosen by `slices`
        self.plane, self.window, self.target, self.slices = plane, window, target, slices
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

    def _foreground(self, labels: np.ndarray) -> np.ndarray:
        return labels == TUMOUR if self.target == "tumour" else labels >= KIDNEY

    def _list_slices(self, case: Path) -> tuple[list[Record], list[int]]:
        labels = self._read_labels(case)
        shown = self._foreground(labels).any(axis=(1, 2))
        numbers = np.flatnonzero(shown if self.slices == "lesion" else np.ones_like(shown))
        height, width = labels.shape[1:]
        name = case.name
        return [
            Record(f"{name}_{n:04d}", "KiTS19", name, "train", height, width) for n in numbers
        ], numbers.tolist()

    def _read_labels(self, case: Path) -> np.ndarray:
        """Labels (slices, H, W) uint8 in the plane asked for, checked."""
        path = case / "segmentation.nii.gz"
        image = _load(path)
        scan = _load(case / "imaging.nii.gz")
        if image.shape != scan.shape:
            raise InputError(
                f"{path} has shape {image.shape} but its imaging.nii.gz has {scan.shape}: "
                "they must be equal; fetch the case again"
            )
        if not np.allclose(image.affine, scan.affine, atol=1e-2):
            raise InputError(
                f"the header of {path} places it elsewhere than its imaging.nii.gz (the affines "
                "differ): fetch the case again, or copy the affine from the imaging"
            )
        labels = _values(image, path)
        present = np.unique(labels)
        if not np.isin(present, (0, KIDNEY, TUMOUR)).all():
            odd = sorted(set(present.tolist()) - {0, KIDNEY, TUMOUR})
            raise InputError(
                f"{path} holds the labels {odd[:5]}: only 0 (background), 1 (kidney) and "
                "2 (tumour) are allowed"
            )
        return self._sliced(labels.astype(np.uint8), image)

    def _sliced(self, volume: np.ndarray, image: nib.Nifti1Image) -> np.ndarray:
        """View of a volume as (slices, rows, columns) of the plane, turned upright."""
        wanted = axcodes2ornt(ORIENTATIONS[self.plane])
        transform = ornt_transform(io_orientation(image.affine), wanted)
        return nib.apply_orientation(volume, transform)

    def groups(self) -> list[list[int]]:
        """Rows that are read together: the slices of one volume."""
        rows: dict[str, list[int]] = {}
        for row, record in enumerate(self.records):
            rows.setdefault(record.case, []).append(row)
        return list(rows.values())

    def read(self, rows: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Slices (H, W, 1) uint8 and masks (H, W) of 0 and 1 of the rows, all of one case."""
        case = next(c for c in self.cases if c.name == self.records[rows[0]].case)
        path = case / "imaging.nii.gz"
        scan = _load(path)
        volume = self._sliced(_unscaled(scan, path), scan)
        labels = self._read_labels(case)
        low, high = self.window
        pairs = []
        for row in rows:
            number = self._slice_numbers[row]
            hu = _scaled(volume[number], scan, path)
            grey = np.clip((hu - low) / (high - low), 0, 1) * 255
            mask = self._foreground(labels[number]).astype(np.uint8)
            pairs.append((np.rint(grey).astype(np.uint8)[..., None], mask))
        return pairs


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


def _load(path: Path) -> nib.Nifti1Image:
    try:
        image = nib.load(path)
    except (nib.filebasedimages.ImageFileError, OSError, EOFError) as error:
        raise InputError(f"{path} is no readable NIfTI file ({error}): fetch it again") from error
    if len(image.shape) != 3:
        raise InputError(f"{path} has shape {image.shape}: a volume of three axes is expected")
    return image


def _unscaled(image: nib.Nifti1Image, path: Path) -> np.ndarray:
    """The stored numbers of a volume, in their own type: a quarter of what get_fdata() takes."""
    try:
        return image.dataobj.get_unscaled()
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): fetch it again") from error


def _scaled(stored: np.ndarray, image: nib.Nifti1Image, path: Path) -> np.ndarray:
    """Hounsfield units of stored numbers: scl_slope and scl_inter of the header applied."""
    values = stored * np.float32(image.dataobj.slope) + np.float32(image.dataobj.inter)
    if not np.isfinite(values).all():
        raise InputError(f"{path} holds voxels that are not finite: fetch or export it again")
    return values


def _values(image: nib.Nifti1Image, path: Path) -> np.ndarray:
    stored = _unscaled(image, path)
    plain = image.dataobj.slope == 1 and image.dataobj.inter == 0
    return stored if plain else _scaled(stored, image, path)
