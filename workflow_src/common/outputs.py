"""Outputs that appear whole or not at all, and folders that are not ours."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workflow_src.common.errors import InputError


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole: beside its place first, then renamed into it."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, content: str) -> None:
    """Write a text file whole: beside its place first, then renamed into it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(content)
    os.replace(beside, path)


@contextmanager
def whole_folder(target: Path, marker: str) -> Iterator[Path]:
    """Fill a folder beside its place and move its content there once it is whole.

    Args:
        target: where the content is to lie.
        marker: the file whose presence says that the folder is whole; moved last.

    Yields:
        The empty folder to write into. If the block raises, it is removed.
    """
    target.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    move_into(partial, target, marker)


def refuse_foreign(folder: Path, marker: str, option: str) -> None:
    """Refuse an output folder of the user's that holds anything but an earlier call's results.

    Args:
        folder: where the results are to lie.
        marker: the file that says that they are an earlier call's.
        option: the one that names the folder.

    Raises:
        InputError: if it is a file, or holds other files.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{option} {folder} is a file: give a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / marker).is_file():
        raise InputError(f"{option} {folder} holds other files: give a new or empty folder")


def move_into(source: Path, target: Path, marker: str) -> None:
    """Move the content of one folder into another on the same disk, the marker last."""
    target.mkdir(parents=True, exist_ok=True)
    (target / marker).unlink(missing_ok=True)
    for path in sorted(source.iterdir(), key=lambda p: p.name == marker):
        place = target / path.name
        if place.is_dir():
            shutil.rmtree(place)
        os.replace(path, place)
    source.rmdir()


def require_space(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        InputError: if fewer than the needed bytes are free where the folder lies.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{what} needs {needed / 2**20:.0f} MiB but {folder} has {free / 2**20:.0f} MiB left: "
            "free some space, or move results/ to a larger disk"
        )
