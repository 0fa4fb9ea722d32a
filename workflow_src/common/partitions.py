"""What the partitions of a cluster grant, by the limits that slurm/partitions.yaml lists."""

import math


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
