"""Outputs that appear whole or not at all, and folders that are not ours."""

import fcntl
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NewType, TextIO

from workflow_src.common.errors import InputError

SIGN = ".workflow"  # in a folder that a step made: what lies there is the workflow's to replace
PATIENCE = 30  # seconds that a call waits for another one to leave its folder

OutputFolder = NewType("OutputFolder", Path)  # of a step: claimed before the step begins


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole: beside its place first, then renamed into it."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, content: str) -> None:
    """Write a text file whole: beside its place first, then renamed into it."""
    with whole_file(path) as beside:
        beside.write_text(content)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Fill a file beside its place and move it there once it is whole.

    Two processes that write one file do not share what lies beside it: the last one's stays.

    Yields:
        The path to write to, with the same suffix. If the block raises, what lies there is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{platform.node()}-{os.getpid()}{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(target: Path, marker: str) -> Iterator[Path]:
    """Fill a folder beside its place and move its content there once it is whole.

    A kill between two of the moves leaves a folder without its marker, which the next call fills.

    Args:
        target: where the content is to lie.
        marker: the file whose presence says that the folder is whole; moved last.

    Yields:
        The empty folder to write into. If the block raises, it is removed.

    Raises:
        InputError: as `claim`.
    """
    with claim(target):
        yield from _filled(target, marker)


def _filled(target: Path, marker: str) -> Iterator[Path]:
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    move_into(partial, target, marker)


def claim(folder: Path, option: str = "--output") -> TextIO:
    """Take an output folder: no other process may write into it as long as the file is open.

    A step signs the folder that it makes. It refuses one that holds what no step wrote, so that
    nothing of the user's is replaced. Folders that other steps signed may lie in it.

    Args:
        folder: where the results are to lie.
        option: the one that names the folder.

    Returns:
        The open file of the sign. The lock on it ends with the process, however that ends.

    Raises:
        InputError: if it is a file, holds anything else, or another process is writing into it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{option} {folder} is a file: give a folder")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / SIGN).is_file():
        for path in sorted(folder.iterdir()):
            if not path.name.startswith(".") and not (path / SIGN).is_file():
                raise InputError(
                    f"{option} {folder} holds {path.name}, which this workflow did not write: give "
                    "a new or empty folder"
                )
    file = open(folder / SIGN, "a")  # noqa: SIM115 - closed by the caller
    if int(os.environ.get("RANK", 0)):  # the first of several processes has locked it for all
        return file
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except (BlockingIOError, PermissionError):
            if time.monotonic() > until:
                file.close()
                raise InputError(
                    f"another process is writing into {option} {folder}: wait until it has ended, "
                    "or give another folder"
                ) from None
            time.sleep(0.2)
        except OSError:  # a file system without locks
            return file


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
