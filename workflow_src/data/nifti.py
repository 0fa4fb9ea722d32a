"""NIfTI volumes, unpacked once and turned into bytes block by block: never whole in their own type.

A volume of 512 x 512 x 800 voxels is 1.6 GiB as nibabel's get_fdata() and 200 MiB here.
"""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib
from nibabel.fileholders import FileHolder

from workflow_src.errors import InputError

BLOCK = 8 * 2**20  # voxels of a block: some tens of MiB in any type
DAMAGE = (OSError, EOFError, ValueError, isal_zlib.error, nib.filebasedimages.ImageFileError)


def read_header(path: Path) -> nib.Nifti1Image:
    """Shape and affine of a .nii.gz file, its voxels left unread.

    Raises:
        InputError: if it is no NIfTI volume of three axes.
    """
    try:
        image = nib.load(path)
    except DAMAGE as error:
        raise InputError(f"{path} is no readable NIfTI file ({error}): fetch it again") from error
    if len(image.shape) != 3:
        raise InputError(f"{path} has shape {image.shape}: a volume of three axes is expected")
    return image


def read_volume(path: Path, to_bytes: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Read a .nii.gz file as a uint8 volume in the file's own order of axes.

    Args:
        path: the file.
        to_bytes: turns a block of values, scl_slope and scl_inter applied, into uint8.

    Returns:
        The volume, in Fortran order as the file is.

    Raises:
        InputError: if the file is damaged.
    """
    shape = read_header(path).shape
    volume = np.empty(shape, np.uint8, order="F")
    width = max(1, BLOCK // (shape[0] * shape[1]))  # the last axis is the slowest in the file
    try:
        with igzip.open(path) as file:  # unpacks three times as fast as Python's own gzip
            opened = FileHolder(fileobj=file)
            values = nib.Nifti1Image.from_file_map({"header": opened, "image": opened}).dataobj
            for start in range(0, shape[2], width):
                part = slice(start, start + width)
                volume[..., part] = to_bytes(values[..., part])
    except InputError:  # what to_bytes refuses; a ValueError too
        raise
    except DAMAGE as error:
        raise InputError(f"{path} is damaged ({error}): fetch it again") from error
    return volume
