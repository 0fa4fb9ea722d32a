"""Arrays on disk: reserved before they are mapped, and checked when they are opened.

A disk that fills under a mapped file kills the process without a word (SIGBUS), so the file's
blocks are allocated first. An array is opened only if it is what its marker says: by its hash or,
if hashing all of it would cost more than the work on it, by that of blocks spread over it.
"""

import errno
import os
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256, spread_sha256
from workflow_src.common.json_files import facts_of

WHOLE = 2**26  # bytes up to which a file is hashed whole: a tenth of a second
BLOCK = 2**20  # bytes of each block that is hashed of a larger one
AGAIN = "copy it again, or remove its folder and make it again"


def reserved_array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A new uint8 array in a file, of zeros, mapped for writing; all of its disk space is taken.

    Raises:
        OSError: if the disk has too little space.
    """
    if 0 in shape:  # an empty file cannot be memory-mapped
        np.save(path, np.zeros(shape, np.uint8))
        return np.zeros(shape, np.uint8)
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        _reserve(file, path, int(np.prod(shape)))
    return np.lib.format.open_memmap(path, mode="r+")


def _reserve(file, path: Path, length: int) -> None:
    file.flush()
    try:
        os.posix_fallocate(file.fileno(), file.tell(), length)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise OSError(error.errno, error.strerror, str(path)) from error
        for start in range(0, length, BLOCK):  # a file system that cannot reserve
            file.write(bytes(min(BLOCK, length - start)))


def loaded_array(path: Path, mapped: bool = False) -> np.ndarray:
    """Load an array, or map it for reading.

    Raises:
        InputError: if the file is cut off or damaged.
    """
    try:
        return np.load(path, mmap_mode="r" if mapped else None)
    except (ValueError, EOFError, SyntaxError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is damaged ({reason}): {AGAIN}") from error


def loaded_arrays(path: Path) -> dict[str, np.ndarray]:
    """Load the arrays of an .npz file, by name.

    Raises:
        InputError: if the file is cut off or damaged.
    """
    try:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise InputError(f"{path} is damaged ({' '.join(str(error).split())}): {AGAIN}") from error


def opened_array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Map an array of uint8 for reading.

    Raises:
        InputError: if the file is cut off, or holds an array of another shape or type.
    """
    array = loaded_array(path, mapped=0 not in shape)
    if array.dtype != np.uint8 or array.shape != shape:
        raise InputError(
            f"{path} holds {array.dtype} of shape {array.shape}, but uint8 of {shape} is expected: "
            f"{AGAIN}"
        )
    return array


def file_hashes(folder: Path) -> dict[str, str]:
    """Hex digests of all files in a folder, by their paths in it: what its marker tells of them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): file_sha256(path) for path in files}


def large_sha256(files: list[Path]) -> dict[str, str]:
    """What `check_file` compares of files that are too large to be hashed whole, by name."""
    return {p.name: spread_sha256(p, BLOCK) for p in files if p.stat().st_size > WHOLE}


def check_file(path: Path, sha256: str, spread: str | None = None) -> None:
    """Check that a file is the one that its marker describes; once per process.

    Args:
        path: the file.
        sha256: of its content.
        spread: its `spread_sha256`, which is compared in its place if the file is large.

    Raises:
        InputError: if it is missing, or another.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: {AGAIN}")
    state = path.stat()
    found = _digest(path, state.st_size, state.st_mtime_ns, spread is None)
    if found != (sha256 if spread is None else spread):
        raise InputError(f"{path} was changed or damaged since it was written: {AGAIN}")


def check_made(marker: Path, *names: str) -> None:
    """Check that files are those that their step wrote beside its marker.

    Args:
        marker: the step's json file, which holds their hashes.
        names: of the files; without any, all that it lists.

    Raises:
        InputError: naming the first that is missing or another.
    """
    with facts_of(marker) as facts:
        hashes = dict(facts["files"])
        wanted = {name: hashes[name] for name in names} if names else hashes
    for name, sha256 in wanted.items():
        check_file(marker.parent / name, sha256)


@lru_cache
def _digest(path: Path, size: int, changed: int, whole: bool) -> str:
    return file_sha256(path) if whole else spread_sha256(path, BLOCK)
