"""The jobs of a study, and the hours that they took or are expected to take."""

import csv
import heapq
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.common.code_hash import ROOT
from workflow_src.readiness.work import DOUBT, Device, seconds_on, work_of

MANY = 10**6  # cores, so that no job is planned with fewer than it asks for


@dataclass(frozen=True)
class Cost:
    """One job of a study.

    Args:
        rule: its rule.
        gpus: that it asks for.
        threads: likewise.
        expected: seconds, by what it computes.
        took: seconds that it took, if it is done.
        measured: whether what is expected was measured on such a GPU.
    """

    rule: str
    gpus: int
    threads: int
    expected: float
    took: float | None
    measured: bool = False


def planned(configfiles: list[Path]):
    """The jobs of a study, as Snakemake plans it, and for each what it waits for."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
    )

    logging.disable()  # Snakemake describes every job that it plans
    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=MANY),
            config_settings=ConfigSettings(configfiles=[file.absolute() for file in configfiles]),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        workflow.dag(DAGSettings()).execute_workflow(executor="dryrun")
        dag = workflow._workflow.dag
        return {job: list(dag.dependencies[job]) for job in dag.jobs}


def seconds_taken(benchmark: Path) -> float:
    """What a job took, by the file of its benchmark."""
    with benchmark.open() as file:
        return sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))


def cost_of(job, config: dict, device: Device) -> Cost:
    """What a planned job asks for, is expected to take, and took."""
    took = None
    record = Path(str(job.benchmark)) if job.benchmark else None
    if record and record.is_file() and all(Path(file).exists() for file in job.output):
        took = seconds_taken(record)
    gpus = job.resources.get("gpu", 0)
    rule, wildcards = job.rule.name, dict(job.wildcards.items())
    expected = seconds_on(device, rule, config, wildcards) / max(gpus, 1)
    measured = device.knows(work_of(rule, config, wildcards))
    return Cost(rule, gpus, job.threads, expected, took, measured)


def seconds(costs: dict) -> dict:
    """Seconds of each job: as measured, else as expected, times what others of its rule took over
    what was expected of them.
    """
    done: dict[str, list[tuple[float, float]]] = {}
    for cost in costs.values():
        if cost.took is not None:
            done.setdefault(cost.rule, []).append((cost.took, cost.expected))
    off = {
        rule: sum(took for took, _ in pairs) / max(sum(e for _, e in pairs), 1e-9)
        for rule, pairs in done.items()
    }
    return {
        job: cost.expected * off.get(cost.rule, 1.0) if cost.took is None else cost.took
        for job, cost in costs.items()
    }


def wall_seconds(waits: dict, costs: dict, gpus: int) -> float:
    """Seconds until all jobs are done on so many GPUs; jobs without one never wait for a core.

    Of the jobs that may start, the one that the most work waits for starts first.
    """
    took = seconds(costs)
    followers: dict = {job: [] for job in waits}
    for job, before in waits.items():
        for one in before:
            followers[one].append(job)
    order = list(_by_need(waits))
    behind: dict = {}  # seconds from a job's start to the end of all that waits for it
    for job in reversed(order):
        behind[job] = took[job] + max((behind[f] for f in followers[job]), default=0.0)
    left = {job: len(before) for job, before in waits.items()}
    ready = [(-behind[job], number, job) for number, job in enumerate(order) if not left[job]]
    heapq.heapify(ready)
    running: list[tuple[float, int, Any]] = []
    free, now, number = gpus, 0.0, len(order)
    while ready or running:
        waiting = []
        while ready:
            entry = heapq.heappop(ready)
            asked = min(costs[entry[2]].gpus, gpus)
            if asked > free:
                waiting.append(entry)
                continue
            free -= asked
            number += 1
            heapq.heappush(running, (now + took[entry[2]], number, entry[2]))
        ready = waiting
        heapq.heapify(ready)
        now, _, job = heapq.heappop(running)
        free += min(costs[job].gpus, gpus)
        for follower in followers[job]:
            left[follower] -= 1
            if not left[follower]:
                number += 1
                heapq.heappush(ready, (-behind[follower], number, follower))
    return now


def _by_need(waits: dict) -> Iterator:
    """The jobs, each after all that it waits for."""
    done: set = set()
    for target in waits:
        left = [target]
        while left:
            job = left[-1]
            open_ones = [one for one in waits[job] if one not in done]
            if open_ones:
                left.extend(open_ones)
                continue
            left.pop()
            if job not in done:
                done.add(job)
                yield job


def needed_for(job, waits: dict) -> set:
    """A job and all that it waits for."""
    found, left = set(), [job]
    while left:
        job = left.pop()
        if job not in found:
            found.add(job)
            left.extend(waits[job])
    return found


def rows(waits: dict, costs: dict, gpus: int) -> list[dict]:
    """A row per table, and one for everything.

    Args:
        waits: the jobs, and for each what it waits for.
        costs: of each job.
        gpus: to work on at once.
    """
    tables = {
        job.wildcards.table: needed_for(job, waits)
        for job in waits if job.rule.name == "make_table"
    }  # fmt: skip
    took = seconds(costs)

    def hours(jobs: set, what: str) -> float:
        return sum(getattr(costs[job], what) * took[job] for job in jobs) / 3600

    found = []
    done = {cost.rule for cost in costs.values() if cost.took is not None}
    sure = {job for job in waits if costs[job].rule in done or costs[job].measured}
    for name, jobs in [*sorted(tables.items()), ("everything", set(waits))]:
        others = set().union(*(j for n, j in tables.items() if n != name))
        own = jobs - others if name in tables else jobs
        middle, certain = hours(jobs, "gpus"), hours(jobs & sure, "gpus")
        least, most = (certain + (middle - certain) * factor for factor in (1 / DOUBT, DOUBT))
        found.append(
            {
                "target": name,
                "jobs": len(jobs),
                "done": sum(costs[job].took is not None for job in jobs),
                "GPU-hours": middle,
                "from": least,
                "to": most,
                "no other table's": hours(own, "gpus"),
                "CPU-hours": hours(jobs, "threads"),
                f"wall-clock hours, {gpus} GPU(s)": wall_seconds(
                    {job: [one for one in waits[job] if one in jobs] for job in jobs},
                    {job: costs[job] for job in jobs},
                    gpus,
                )
                / 3600,
            }
        )
    return found
