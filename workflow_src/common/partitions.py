"""What the partitions of a cluster grant, and how it is asked for GPUs: slurm/partitions.yaml."""

import math
import os
import re
import shutil
from pathlib import Path

from workflow_src.common.errors import InputError


def granted(partitions: dict[str, dict], what: str, gpus: int) -> float:
    """The most that any partition grants to a job; infinite where there is no limit.

    Args:
        partitions: the limits of each.
        what: runtime, in minutes, or mem_mb.
        gpus: that the job asks for.
    """
    able = [limits for limits in partitions.values() if gpus <= limits.get("max_gpu", 0)]
    return max((limits.get(f"max_{what}", math.inf) for limits in able), default=math.inf)


def of_all_processes(what: str, of_one: int, gpus: int) -> int:
    """What all of a job's processes ask for: each has its own memory, and every GPU a process."""
    return of_one * max(gpus, 1) if what == "mem_mb" else of_one


def grown(asked: int, attempt: int, limit: float) -> int:
    """What an attempt, from 1, asks for: more each time, up to the limit."""
    return int(min(asked * attempt, max(asked, limit)))


def model_of(gpus_by: str) -> str:
    """The model of GPU that jobs ask for; none if they take any.

    Args:
        gpus_by: `--gpus`, `--gres=gpu` or `--gres=gpu:MODEL`, as sbatch knows them.

    Raises:
        InputError: if it is another option.
    """
    found = re.fullmatch(r"--gpus|--gres=gpu(?::([A-Za-z0-9_.]+))?", str(gpus_by))
    if found is None:
        raise InputError(
            f"slurm/partitions.yaml: gpus_by is {gpus_by!r}: set --gpus, --gres=gpu or "
            "--gres=gpu:MODEL, with a model that `sinfo -o %G` names"
        )
    return found[1] or ""


def ask_for_gpus(gpus_by: str, commands: Path) -> None:
    """Let jobs be submitted that ask for GPUs in a cluster's way.

    Args:
        gpus_by: the option of sbatch, without the number.
        commands: the folder of the sbatch that replaces `--gpus`.

    Raises:
        InputError: if it is no such option.
    """
    model_of(gpus_by)
    sbatch = shutil.which("sbatch")
    if gpus_by != "--gpus" and sbatch:
        os.environ |= {"WORKFLOW_GPUS_BY": gpus_by, "WORKFLOW_SBATCH": sbatch}
        os.environ["PATH"] = os.pathsep.join([str(commands), os.environ["PATH"]])
