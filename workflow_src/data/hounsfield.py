"""Whether the numbers of a CT volume can be Hounsfield units: air is -1000, water 0, fat -100.

A wrong offset or type gives pictures that look right at a glance, of a window that shows nothing
that was meant.
"""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from workflow_src.common.errors import InputError

AIR, BONE = -900, 900  # to be held by any type that CT is stored in
LEAST_SPREAD = 100  # between fat and soft tissue; less is a volume that was normalised
LOWEST, HIGHEST = -(2**15), 2**15 - 1  # of scanners' 16-bit numbers, padding and metal included


def check_storage(image: nib.Nifti1Image, path: Path) -> None:
    """Check by a header alone that its voxels can hold Hounsfield units.

    Raises:
        InputError: if they cannot.
    """
    scaled: Any = image.dataobj  # nibabel's proxy of what is in the file
    dtype, slope, inter = image.get_data_dtype(), scaled.slope, scaled.inter
    if slope < 0:
        raise InputError(
            f"{path} is scaled by a negative slope ({slope:g}), which makes bone dark and air "
            "bright: export it again as Hounsfield units"
        )
    if dtype.kind == "f":
        return
    low, high = (float(end) * slope + inter for end in (np.iinfo(dtype).min, np.iinfo(dtype).max))
    if low > AIR or high < BONE:
        raise InputError(
            f"{path} is stored as {dtype} and cannot hold less than {low:g} nor more than "
            f"{high:g}, while air is -1000 and bone 1000 HU: give its offset (often -1024) as "
            "scl_inter, or export it as int16"
        )


class Extent:
    """The lowest and highest value of a volume, gathered block by block."""

    def __init__(self, path: Path):
        self.path, self.low, self.high = path, np.inf, -np.inf

    def add(self, values: np.ndarray) -> None:
        """Take in a block."""
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError(
                f"{self.path} holds voxels that are not finite: fetch or export it again"
            )
        self.low, self.high = min(self.low, low), max(self.high, high)

    def check(self) -> None:
        """Check the whole.

        Raises:
            InputError: naming values that CT cannot have.
        """
        says = f"{self.path} holds values from {self.low:g} to {self.high:g}"
        if self.low < LOWEST or self.high > HIGHEST:
            raise InputError(f"{says}: Hounsfield units fit 16 bits; export it again as CT")
        if self.high - self.low < LEAST_SPREAD:
            raise InputError(
                f"{says}, not Hounsfield units (normalised, perhaps): export it again as CT"
            )
        if self.low >= 0:
            raise InputError(
                f"{says} and so neither air nor fat: subtract its offset (often 1024), or export "
                "it again as Hounsfield units"
            )
