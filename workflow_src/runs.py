"""What every step that writes results shares: whole outputs, resumable state, logs, provenance."""

import csv
import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from workflow_src.closure import ROOT, code_hash
from workflow_src.errors import InputError

LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "nnunetv2", "torch-fidelity",
             "open_clip_torch", "snakemake", "numpy", "pandas", "nibabel")  # fmt: skip


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


class State:
    """Where an unfinished training keeps its checkpoint and log, so that a killed one goes on.

    It is keyed by all that shapes the result (settings, code, data), so a run never resumes from
    another recipe's state. It lies in the output folder but is no output: Snakemake, which deletes
    a job's outputs before it starts the job again, leaves it alone.

    Args:
        output: folder of the finished training.
        script: dotted name of the script, whose code goes into the key.
        shaped_by: settings and input hashes, as JSON-able data.
    """

    def __init__(self, output: Path, script: str, shaped_by: dict):
        self.output = Path(output)
        text = json.dumps([code_hash(script), shaped_by], sort_keys=True, default=str)
        self.key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.folder = self.output / f".state-{self.key}"
        others = [p for p in self.output.glob(".state-*") if p != self.folder]
        for other in others:  # made by other settings, code or data: of no use to this run
            print(f"{other.name} belongs to another recipe or code: not resumed, removed")
            shutil.rmtree(other, ignore_errors=True)  # another process may be at it too
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self, payload: dict) -> None:
        """Write a checkpoint whole: a kill at any moment leaves the old one or the new one."""
        import torch

        beside = self.checkpoint.with_suffix(".partial")
        with open(beside, "wb") as file:
            torch.save(payload, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.checkpoint)

    def load(self, device="cpu") -> dict | None:
        """The last checkpoint, or None at a first start."""
        import torch

        if not self.checkpoint.is_file():
            return None
        payload = torch.load(self.checkpoint, map_location=device, weights_only=True)
        print(f"resumed from {self.checkpoint} at step {payload['step']}")
        return payload

    def finish(self, content: Path, marker: str) -> None:
        """Move the finished folder's content, and the logs, to the output; then drop the state.

        Logs are copied: a run that fails from here on must find them, to go on with them.
        """
        for log in self.folder.glob("*.csv"):
            shutil.copy(log, content)
        move_into(content, self.output, marker)
        shutil.rmtree(self.folder)


class CsvLog:
    """A log with a row per logged step; on resuming, rows past the checkpoint are dropped.

    Args:
        path: the file.
        step: the step resumed from; 0 begins anew.
    """

    def __init__(self, path: Path, step: int):
        rows = list(csv.DictReader(path.open())) if step and path.is_file() else []
        self._kept = [row for row in rows if int(row["step"]) <= step]
        self.path, self._file, self._writer = path, None, None

    def add(self, row: dict[str, float | int | None]) -> None:
        """Append a row; the first row names the columns. None leaves its place empty."""
        if self._writer is None:
            self._file = self.path.open("w", buffering=1)
            self._writer = csv.DictWriter(self._file, list(row))
            self._writer.writeheader()
            self._writer.writerows(self._kept)
        self._writer.writerow(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
        )


def provenance(script: str) -> dict:
    """Where a result comes from: commit, code, environment, library versions, hardware.

    No date: the same code on the same data writes the same bytes. Snakemake keeps the times.
    """

    def version(name: str) -> str | None:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    return {
        "script": script,
        "code": code_hash(script),
        "commit": _commit(),
        "lock": _lock(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES if version(name)},
        "hardware": _hardware(),
    }


def _commit() -> str | None:
    """The checkout's commit, with "+" if files differ from it; None outside a checkout."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None


def _lock() -> str | None:
    """The hash of the environment's pins, as short as the code's; None where they are not."""
    file = ROOT / "requirements.lock"
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else None


def _hardware() -> str:
    import sys

    torch = sys.modules.get("torch")  # do not load it only to ask
    if torch is not None and torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"CPU, {os.cpu_count()} cores, {platform.machine()}"
