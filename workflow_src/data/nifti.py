"""NIfTI volumes, unpacked once and turned into bytes block by block: never whole in their own type.

A volume of 512 x 512 x 800 voxels is 1.6 GiB as nibabel's get_fdata() and 200 MiB here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib
from nibabel.fileholders import FileHolder

from workflow_src.common.errors import InputError

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


def read_blocks(path: Path) -> Iterator[tuple[slice, np.ndarray]]:
    """Read a .nii.gz file in blocks along its last axis, the slowest in the file.

    Yields:
        Where the block lies on the last axis, and its values, scl_slope and scl_inter applied.

    Raises:
        InputError: if the file is damaged.
    """
    shape = read_header(path).shape
    width = max(1, BLOCK // (shape[0] * shape[1]))
    try:
        with igzip.open(path) as file:  # unpacks three times as fast as Python's own gzip
            opened = FileHolder(fileobj=file)
            values = nib.Nifti1Image.from_file_map({"header": opened, "image": opened}).dataobj
            for start in range(0, shape[2], width):
                part = slice(start, min(start + width, shape[2]))
                yield part, values[..., part]
    except DAMAGE as error:
        raise InputError(f"{path} is damaged ({error}): fetch it again") from error


def read_volume(
    path: Path, to_bytes: Callable[[np.ndarray], np.ndarray], axis: int, first: int, last: int
) -> np.ndarray:
    """Read a part of a .nii.gz file as uint8, in the file's order of axes.

    Args:
        path: the file.
        to_bytes: turns a block of values into uint8.
        axis: along which the part is taken and will be sliced: the slowest in memory, since
            slices against the grain of a big array cost more than unpacking it.
        first: where the part begins on the axis.
        last: where it ends, exclusive.

    Raises:
        InputError: if the file is damaged.
    """
    ends = [slice(0, n) for n in read_header(path).shape]
    ends[axis] = slice(first, last)
    order = [axis, *(a for a in (2, 1, 0) if a != axis)]
    memory = np.empty([ends[a].stop - ends[a].start for a in order], np.uint8)
    volume = memory.transpose(np.argsort(order))
    for part, values in read_blocks(path):
        start, stop = max(part.start, ends[2].start), min(part.stop, ends[2].stop)
        if start < stop:
            wanted = values[ends[0], ends[1], start - part.start : stop - part.start]
            volume[..., start - ends[2].start : stop - ends[2].start] = to_bytes(wanted)
    return volume
