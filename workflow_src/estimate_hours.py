"""Estimate the jobs and the GPU and processor hours that a study, and each of its tables, takes."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.readiness.hours import cost_of, planned, rows
from workflow_src.study.loading import load_study


def main(configfiles: list[Path]) -> None:
    """Print a Markdown table.

    Hours are measured where a job is done, else taken from jobs of its rule that are done, else the
    longest that a job may take (`resources` of the config): an upper bound.

    Args:
        configfiles: of the study, as Snakemake takes them.
    """
    load_study(configfiles)  # what is wrong with them is said in one line
    waits = planned(configfiles)
    costs = {job: cost_of(job) for job in waits}
    found = rows(waits, costs)
    print("| " + " | ".join(found[0]) + " |\n" + "|---" * len(found[0]) + "|")
    for row in found:
        written = [f"{v:.1f}" if isinstance(v, float) else str(v) for v in row.values()]
        print("| " + " | ".join(written) + " |")
    rules = {cost.rule: cost for cost in costs.values()}
    measured = {cost.rule for cost in costs.values() if cost.took is not None}
    bounds = sorted(r for r, c in rules.items() if c.limit and r not in measured)
    print(f"\nMeasured: {', '.join(sorted(measured)) or 'nothing yet'}.")
    print(f"At most, as asked for: {', '.join(bounds) or 'nothing'}.")


if __name__ == "__main__":
    run(main)
