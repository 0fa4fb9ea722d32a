"""Which GPUs a job uses: taken so that no two jobs share one, and found before any work is done."""

import fcntl
import logging
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from workflow_src.common.errors import InputError

ASKED = "WORKFLOW_GPUS"  # how many GPUs the job must find
WAIT = 1.0  # seconds between looks for free GPUs

log = logging.getLogger(__name__)


def visible_devices() -> list[str]:
    """This machine's GPUs, or those that CUDA_VISIBLE_DEVICES names, by the names that it takes."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(number) for number in range(len(re.findall("^GPU ", listed.stdout, re.M)))]


def take(count: int) -> None:
    """Choose GPUs that no other job of this user on this machine has taken, waiting for them.

    Where a queue shows the job as many as it asked for, nothing is left to choose. A GPU is taken
    by a lock on a file, which the system gives back however the process ends, and which a program
    that replaces this one keeps.
    """
    devices = visible_devices()
    if len(devices) <= count:
        return
    allocation = os.environ.get("SLURM_JOB_ID", "here")  # its devices may be numbered anew
    folder = Path(tempfile.gettempdir()) / f"workflow-gpus-{os.getuid()}-{allocation}"
    folder.mkdir(exist_ok=True)
    while len(taken := _lock(devices, count, folder)) < count:
        log.info("waiting for %d free GPU(s) of %s", count, ", ".join(devices))
        time.sleep(WAIT)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)


def _lock(devices: list[str], count: int, folder: Path) -> list[str]:
    """Lock a number of devices, or none: two jobs that each hold some would wait forever."""
    files = {}
    for device in devices:
        file = os.open(folder / device.replace("/", "-"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        files[device] = file
        if len(files) == count:
            for kept in files.values():
                os.set_inheritable(kept, True)
            return list(files)
    for file in files.values():
        os.close(file)
    return []


def require_gpus() -> None:
    """See that PyTorch finds, and has code for, as many GPUs as the job was started with.

    Raises:
        InputError: if it does not: the job would run on the CPU until its time is over.
    """
    asked = int(os.environ.get(ASKED, 0))
    if not asked:
        return
    import torch

    reason = why_no_gpu() or (
        f"only {torch.cuda.device_count()} visible" if torch.cuda.device_count() < asked else None
    )
    if reason:
        raise InputError(
            f"{asked} GPU(s) were asked for, but {reason}: see nvidia-smi, or give Snakemake "
            "--resources gpu=0 to run on the CPU"
        )
    for number in range(asked):
        capability, known = torch.cuda.get_device_capability(number), torch.cuda.get_arch_list()
        if not has_code_for(capability, known):
            name = torch.cuda.get_device_name(number)
            raise InputError(
                f"PyTorch {torch.__version__} has no code for a {name} (compute capability "
                f"{capability[0]}.{capability[1]}), only for {', '.join(known)}: install a build "
                "that has, or ask for another GPU"
            )


def why_no_gpu() -> str | None:
    """Why PyTorch can use no GPU here, in words; None if it can."""
    import torch

    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built for CPUs alone"
    if torch.cuda.is_available():
        return None
    try:
        torch.cuda.init()
    except RuntimeError as error:  # says so of a driver that is too old
        return str(error).split(". ")[0].strip().rstrip(".")
    return "no GPU is visible"


def has_code_for(capability: tuple[int, int], architectures: list[str]) -> bool:
    """Whether code for some of the architectures runs on a GPU of a compute capability.

    Args:
        capability: such as (8, 6).
        architectures: as PyTorch lists them: sm_80 runs on 8.x from 8.0 on, compute_80, which is
            compiled when it is loaded, on all from 8.0 on.
    """
    for kind, digits in re.findall(r"(sm|compute)_(\d+)", " ".join(architectures)):
        major, minor = int(digits[:-1]), int(digits[-1])
        if kind == "sm" and major == capability[0] and minor <= capability[1]:
            return True
        if kind == "compute" and (major, minor) <= capability:
            return True
    return False
