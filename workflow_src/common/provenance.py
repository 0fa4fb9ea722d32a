"""Where a result comes from: commit, code, environment, library versions, hardware."""

import hashlib
import os
import platform
import subprocess
from importlib import metadata

from workflow_src.common.code_hash import ROOT, code_hash

LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "nnunetv2", "torch-fidelity",
             "open_clip_torch", "snakemake", "numpy", "pandas", "nibabel")  # fmt: skip


def provenance(script: str, *members: str) -> dict:
    """Where a result comes from: commit, code, environment, library versions, hardware.

    No date: the same code on the same data writes the same bytes. Snakemake keeps the times.

    Args:
        script: dotted name of the script.
        members: places of what its settings name in a registry.
    """

    def version(name: str) -> str | None:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    return {
        "script": script,
        "code": code_hash(script, *members),
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
