"""How far a study is: its jobs by state, its hours, what its trainings last said, what failed."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from workflow_src.readiness.following import logs_of, rows_of
from workflow_src.readiness.hours import Cost, seconds, wall_seconds

STATES = ("done", "at work or queued", "failed", "to come")


def marked(folder: Path) -> set[str]:
    """The files that Snakemake has marked as being made.

    Args:
        folder: Snakemake's own, `.snakemake`.
    """
    marks = folder / "incomplete"
    names = [mark.relative_to(marks).parts for mark in marks.rglob("*") if mark.is_file()]
    coded = ["".join(part.removeprefix("@") for part in parts) for parts in names]
    return {base64.urlsafe_b64decode(text).decode() for text in coded if len(text) % 4 == 0}


def state_of(job, cost: Cost, being_made: set[str]) -> str:
    """Which of `STATES` a planned job is in: one that left a log, and is not at work, failed."""
    if cost.took is not None or (job.output and all(Path(f).exists() for f in job.output)):
        return "done"
    if any(str(file) in being_made for file in job.output):
        return "at work or queued"
    return "failed" if any(Path(log).is_file() for log in job.log) else "to come"


def last_line(log: Path) -> str:
    """The last line of a log that says anything."""
    lines = log.read_text(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "(empty)")


def summary(
    study: str, waits: dict, costs: dict, being_made: set[str], results: Path, gpus: int
) -> Iterator[str]:
    """The lines of a page.

    Args:
        study: its name.
        waits: the jobs, and for each what it waits for.
        costs: of each job.
        being_made: files that are.
        results: folder of the study.
        gpus: that work at once.
    """
    states = {job: state_of(job, costs[job], being_made) for job in waits}
    counts = [f"{list(states.values()).count(state)} {state}" for state in STATES]
    yield f"{study}: {', '.join(counts)}, of {len(states)} jobs"
    took = seconds(costs)
    hours = {job: costs[job].gpus * took[job] / 3600 for job in waits}
    used = sum(hours[job] for job, state in states.items() if state == "done")
    yield f"GPU-hours: {used:.1f} used of {sum(hours.values()):.1f} predicted"
    left = {job for job, state in states.items() if state != "done"}
    if left:
        end = wall_seconds(
            {job: [one for one in waits[job] if one in left] for job in left},
            {job: replace(costs[job], expected=took[job]) for job in left},
            gpus,
        )
        yield f"expected end: in {end / 3600:.1f} hours on {gpus} GPU(s), without a queue"
    for name, log in logs_of(results).items():
        rows = rows_of(log)
        if name.endswith("/log") and rows:
            loss = next((f"{key} {rows[-1][key]:.4g}" for key in rows[-1] if "loss" in key), "")
            yield f"  {name.removesuffix('/log')}: step {rows[-1]['step']:.0f}, {loss}"
    for job, state in states.items():
        if state == "failed":
            log = next(Path(file) for file in job.log if Path(file).is_file())
            yield f"failed: {log}: {last_line(log)}"
