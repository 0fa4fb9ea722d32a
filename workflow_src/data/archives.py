"""Zip archives from elsewhere, unpacked only if their directory promises what was meant."""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from workflow_src.common.errors import InputError

ENTRIES = 100_000
LONGEST = 255  # bytes of a name, as file systems take it
AGAIN = "remove it and try again, or fetch it in a browser and put it there"


def unpack(archive: Path, folder: Path, most: int) -> None:
    """Unpack an archive into a folder.

    Args:
        archive: a zip file.
        folder: where its files go.
        most: bytes that they may have together.

    Raises:
        InputError: if it is not a zip file, damaged, larger than that, or holds anything but plain
            files under the folder.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = packed.infolist()
            for entry in entries:
                _check(entry, archive)
            size = sum(entry.file_size for entry in entries)
            if size > most or len(entries) > ENTRIES:
                raise InputError(
                    f"{archive} would unpack to {len(entries)} files of {size / 2**20:.0f} MiB, "
                    f"{most / 2**20:.0f} MiB at most are expected: {AGAIN}"
                )
            packed.extractall(folder)  # no more of an entry than its directory promised
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError) as error:
        raise InputError(
            f"{archive} is not a zip file, or damaged ({error}; a download page, perhaps): {AGAIN}"
        ) from error


def _check(entry: zipfile.ZipInfo, archive: Path) -> None:
    path, kind = PurePosixPath(entry.filename), stat.S_IFMT(entry.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
        fault = "leads out of the folder"
    elif entry.flag_bits & 1:
        fault = "is encrypted"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        fault = "is a link or device, not a file"
    elif any(len(part.encode()) > LONGEST for part in path.parts):
        fault = "has a name that is too long"
    else:
        return
    raise InputError(f"{archive} holds {entry.filename[:80]!r}, which {fault}: {AGAIN}")
