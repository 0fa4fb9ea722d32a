"""What a folder holds, cheaply: names and sizes, no content. Light enough for the parse."""

import hashlib
import os
from pathlib import Path

from workflow_src.common.errors import InputError


def inventory(root: Path) -> dict:
    """Count, size and fingerprint of the files under a folder; dates play no part.

    Links are followed. Hidden files and Thumbs.db, which file managers leave behind, do not count.

    Args:
        root: the folder; one that does not exist holds nothing.

    Returns:
        files, bytes, and fingerprint, twelve hex digits over relative names and sizes.

    Raises:
        InputError: if a file or folder may not be read, or a link leads nowhere.
    """
    digest, count, size = hashlib.sha256(), 0, 0
    seen: set[str] = set()
    for folder, names, files in os.walk(root, onerror=_refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link led back to it
            names.clear()
            continue
        seen.add(real)
        names.sort()
        for name in sorted(files):
            if name.startswith(".") or name == "Thumbs.db":
                continue
            path = os.path.join(folder, name)
            try:
                length = os.path.getsize(path)
            except OSError as error:
                _refuse(error)
                continue
            digest.update(f"{os.path.relpath(path, root)} {length}\n".encode())
            count, size = count + 1, size + length
    return {"files": count, "bytes": size, "fingerprint": digest.hexdigest()[:12]}


def _refuse(error: OSError) -> None:
    """Refuse what is there and cannot be read; what has just been removed holds nothing."""
    if not isinstance(error, FileNotFoundError) or os.path.islink(error.filename):
        raise InputError(
            f"{error.filename} cannot be read ({error.strerror}): mend it, or remove it"
        ) from error
