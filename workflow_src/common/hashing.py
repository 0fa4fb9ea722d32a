"""Hashes of files: of all that is in them or, where that would take too long, of parts."""

import hashlib
from pathlib import Path

BLOCKS = 64  # of a large file that are read, its ends among them


def file_sha256(path: Path | str) -> str:
    """Hex digest of a file, read in blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def spread_sha256(path: Path | str, block: int) -> str:
    """Hex digest of a large file's length and of blocks spread over it.

    Args:
        path: the file, larger than a block.
        block: bytes of each.
    """
    size = Path(path).stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        for number in range(BLOCKS):
            file.seek(number * max(size - block, 0) // (BLOCKS - 1))
            digest.update(file.read(block))
    return digest.hexdigest()
