"""NIfTI volumes, unpacked once and turned into bytes block by block: never whole in their own type.

A volume of 512 x 512 x 800 voxels is 1.6 GiB as nibabel's get_fdata() and 200 MiB here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip
from nibabel.fileholders import FileHolder

from workflow_src.common.errors import InputError

BLOCK = 8 * 2**20  # voxels of a block: some tens of MiB in any type
MOST_PACKED = 1032  # bytes that gzip can unpack from one, at most


def read_header(path: Path) -> nib.Nifti1Image:
    """Shape, type, scaling and affine of a .nii.gz file, its voxels left unread.

    Raises:
        InputError: if it is not a NIfTI volume of three axes, or its header leaves open what its
            voxels are or where they lie.
    """
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):  # NIfTI-2 is one of its kinds
            raise TypeError(f"a {type(image).__name__}")
        with igzip.open(path) as file:  # nibabel leaves a slope out that is infinite
            stored = type(image).header_class.from_fileobj(file, check=False)
        slope, inter = float(stored["scl_slope"]), float(stored["scl_inter"])
    except Exception as error:  # nibabel raises whatever it stumbles over
        raise InputError(
            f"{path} is not a readable NIfTI file ({_reason(error)}): fetch it again"
        ) from error
    if len(image.shape) != 3:
        raise InputError(f"{path} has shape {image.shape}: a volume of three axes is expected")
    if min(image.shape) < 1:
        raise InputError(f"{path} has shape {image.shape}, which holds nothing: export it again")
    if image.get_data_dtype().kind not in "iuf":
        raise InputError(
            f"{path} holds voxels of the type {image.get_data_dtype()}: plain numbers are expected,"
            " not colours or complex numbers"
        )
    # nibabel writes NaN for both where nothing is scaled.
    if np.isinf(slope) or np.isinf(inter) or (np.isnan(slope) != np.isnan(inter)):
        raise InputError(
            f"{path} scales its voxels by numbers that are not finite (scl_slope {slope:g}, "
            f"scl_inter {inter:g}): export it again"
        )
    _check_affine(image, path)
    size = np.prod([float(n) for n in image.shape]) * image.get_data_dtype().itemsize
    if size > path.stat().st_size * MOST_PACKED:
        raise InputError(
            f"{path} is damaged (its header promises {image.shape} voxels, more than a file of "
            f"{path.stat().st_size} bytes can hold): fetch it again"
        )
    return image


def _check_affine(image: nib.Nifti1Image, path: Path) -> None:
    if not (image.header["sform_code"] > 0 or image.header["qform_code"] > 0):
        raise InputError(
            f"{path} does not say how the patient lies in it (sform_code and qform_code are 0): "
            "export it with its orientation"
        )
    axes = np.asarray(image.affine, np.float64)[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    # Axes are parallel where the volume that they span is next to nothing of their lengths'.
    usable = np.isfinite(image.affine).all() and (lengths > 0).all() and np.isfinite(lengths).all()
    if not usable or abs(np.linalg.det(axes / lengths)) < 1e-3:
        raise InputError(
            f"{path} has an affine whose axes do not span space "
            f"({np.round(axes, 3).tolist()}): export it with its orientation"
        )


def read_blocks(path: Path) -> Iterator[tuple[slice, np.ndarray]]:
    """Read a .nii.gz file in blocks along its last axis, the slowest in the file.

    Yields:
        Where the block lies on the last axis, and its values, scl_slope and scl_inter applied.

    Raises:
        InputError: if the file is damaged.
    """
    header = read_header(path)
    shape = header.shape
    width = max(1, BLOCK // (shape[0] * shape[1]))
    try:
        with igzip.open(path) as file:  # unpacks three times as fast as Python's own gzip
            opened = FileHolder(fileobj=file)
            values = type(header).from_file_map({"header": opened, "image": opened}).dataobj
            for start in range(0, shape[2], width):
                part = slice(start, min(start + width, shape[2]))
                yield part, values[..., part]
    except Exception as error:  # nibabel and igzip raise whatever they stumble over
        raise InputError(f"{path} is damaged ({_reason(error)}): fetch it again") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


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
