"""The jobs of a study, and the hours that they take or may take."""

import csv
import logging
import statistics
from dataclasses import dataclass
from pathlib import Path

from workflow_src.common.code_hash import ROOT

MANY = 10**6  # cores, so that no job is planned with fewer than it asks for


@dataclass(frozen=True)
class Cost:
    """One job of a study.

    Args:
        rule: its rule.
        gpus: that it asks for.
        threads: likewise.
        limit: seconds that it asks for.
        took: seconds that it took, if it is done.
    """

    rule: str
    gpus: int
    threads: int
    limit: float
    took: float | None


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


def cost_of(job) -> Cost:
    """What a planned job asks for, and what it took."""
    took = None
    record = Path(str(job.benchmark)) if job.benchmark else None
    if record and record.is_file() and all(Path(file).exists() for file in job.output):
        with record.open() as file:
            took = sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
    gpus, minutes = job.resources.get("gpu", 0), job.resources.get("runtime", 0)
    return Cost(job.rule.name, gpus, job.threads, 60.0 * minutes, took)


def seconds(costs: dict) -> dict:
    """Seconds of each job: as measured, else as long as others of its rule took, else its limit."""
    known: dict[str, list[float]] = {}
    for cost in costs.values():
        if cost.took is not None:
            known.setdefault(cost.rule, []).append(cost.took)
    return {
        job: cost.took if cost.took is not None
        else statistics.mean(known[cost.rule]) if cost.rule in known
        else cost.limit
        for job, cost in costs.items()
    }  # fmt: skip


def needed_for(job, waits: dict) -> set:
    """A job and all that it waits for."""
    found, left = set(), [job]
    while left:
        job = left.pop()
        if job not in found:
            found.add(job)
            left.extend(waits[job])
    return found


def rows(waits: dict, costs: dict) -> list[dict]:
    """A row per table, and one for everything."""
    tables = {
        job.wildcards.table: needed_for(job, waits)
        for job in waits if job.rule.name == "make_table"
    }  # fmt: skip
    took = seconds(costs)

    def hours(jobs: set, what: str) -> float:
        return sum(getattr(costs[job], what) * took[job] for job in jobs) / 3600

    found = []
    for name, jobs in [*sorted(tables.items()), ("everything", set(waits))]:
        others = set().union(*(j for n, j in tables.items() if n != name))
        own = jobs - others if name in tables else jobs
        found.append(
            {
                "target": name,
                "jobs": len(jobs),
                "done": sum(costs[job].took is not None for job in jobs),
                "GPU-hours": hours(jobs, "gpus"),
                "GPU-hours, no other table's": hours(own, "gpus"),
                "CPU-hours": hours(jobs, "threads"),
            }
        )
    return found
