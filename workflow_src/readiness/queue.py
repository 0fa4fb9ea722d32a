"""Which of a study's requests a cluster can grant, by what `sinfo` and `scontrol` say of it."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workflow_src.common.errors import InputError
from workflow_src.common.partitions import model_of, of_all_processes
from workflow_src.readiness.findings import Finding

# Partition, time limit, memory in MB, CPUs and generic resources of each kind of node in it.
NODES = ("sinfo", "--noheader", "--exact", "--format=%R|%l|%m|%c|%G")
PARTITIONS = ("scontrol", "--oneliner", "show", "partition")


@dataclass(frozen=True)
class Kind:
    """Like nodes of a partition, and what a job may have on one of them."""

    partition: str
    minutes: float
    mem_mb: float
    threads: int
    gpus: dict[str, int]  # by model; "" is any

    def lacks(self, asked: dict) -> list[str]:
        """What of a request it does not grant, in words."""
        model = asked["model"]
        most = self.gpus.get(model, 0)
        limits = {
            "minutes": (asked["runtime"], self.minutes),
            "MB": (asked["mem_mb"], self.mem_mb),
            "threads": (asked["threads"], self.threads),
            f"{model} GPUs".strip(): (asked["gpu"], most),
        }
        return [f"{most:g} of {wanted} {what}" for what, (wanted, most) in limits.items()
                if wanted > most]  # fmt: skip


def kinds(nodes: str, partitions: str) -> list[Kind]:
    """What a cluster has.

    Args:
        nodes: that `NODES` prints.
        partitions: that `PARTITIONS` prints.
    """
    settings = [dict(f.split("=", 1) for f in line.split() if "=" in f)
                for line in partitions.splitlines()]  # fmt: skip
    known = {fields["PartitionName"]: fields for fields in settings if "PartitionName" in fields}
    found = []
    for line in nodes.splitlines():
        name, limit, memory, cpus, resources = line.split("|")
        fields = known.get(name, {})
        if fields.get("State", "UP") != "UP":
            continue
        a_node, a_cpu = (number(fields.get(f"MaxMemPer{of}")) for of in ("Node", "CPU"))
        threads = min(int(cpus.rstrip("+")), number(fields.get("MaxCPUsPerNode")))
        most = min(float(memory.rstrip("+")), a_node, a_cpu * threads)
        found.append(Kind(name, minutes(limit), most, int(threads), gpus(resources)))
    return found


def number(text: str | None) -> float:
    """A limit as Slurm prints it; infinite without one."""
    return float(text) if text and text.isdigit() else math.inf


def minutes(limit: str) -> float:
    """A time limit such as 2-00:00:00, 30:00 or infinite."""
    if not re.fullmatch(r"[\d:-]+", limit):
        return math.inf
    days, _, clock = limit.rpartition("-")
    hours, mins, seconds = ([0, 0] + [int(part) for part in clock.split(":")])[-3:]
    return int(days or 0) * 24 * 60 + hours * 60 + mins + seconds / 60


def gpus(resources: str) -> dict[str, int]:
    """GPUs by model of a node's resources, such as gpu:a100:2(S:0-1),shard:4."""
    found = {"": 0}
    for model, count in re.findall(r"(?:^|,)gpu(?::([^:,()]+))?:(\d+)", resources):
        found[""] += int(count)
        if model:
            found[model] = found.get(model, 0) + int(count)
    return found


def requests(
    config: dict, cluster: dict, nodes: str, partitions: str, profile: Path
) -> Iterator[Finding]:
    """Whether a node of the partitions that the profile names grants what each rule asks for.

    Args:
        config: the study's.
        cluster: what partitions.yaml of the profile says.
        nodes: that `NODES` prints.
        partitions: that `PARTITIONS` prints.
        profile: the folder of partitions.yaml.

    Raises:
        InputError: if there is no such way of asking.
    """
    named, model = cluster["partitions"], model_of(cluster["gpus_by"])
    there = [kind for kind in kinds(nodes, partitions) if kind.partition in named]
    if not there:
        raise InputError(f"{', '.join(named)} have no node that takes jobs: ask `sinfo`")
    default = config["resources"]["default"]
    refused = False
    for rule, part in config["resources"].items():
        asked = default | part
        asked["mem_mb"] = of_all_processes("mem_mb", asked["mem_mb"], asked["gpu"])
        asked["model"] = model
        able = [kind for kind in there if kind.gpus[""] or not asked["gpu"]] or there
        nearest = min(able, key=lambda kind: len(kind.lacks(asked)))
        if lacking := nearest.lacks(asked):
            refused = True
            text = f"no node grants what {rule} asks for: {nearest.partition} has only "
            text += f"{', '.join(lacking)}: lower it under `resources`, or name another partition "
            yield Finding("FAIL", "Slurm", f"{text}in {profile}/partitions.yaml")
    if not refused:
        yield Finding("OK", "Slurm", "its nodes grant what every rule asks for")
