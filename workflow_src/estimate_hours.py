"""Predict the jobs and the GPU and processor hours of a study, and of each of its tables."""

from pathlib import Path

from jsonargparse.typing import PositiveInt

from workflow_src.common.code_hash import ROOT
from workflow_src.common.command_line import run
from workflow_src.readiness.gpu_memory import in_words
from workflow_src.readiness.hours import cost_of, planned, rows
from workflow_src.readiness.work import DOUBT, EFFICIENCY, Kind, device_named
from workflow_src.study.loading import load_study


def main(configfiles: list[Path], device: Kind = "a100", gpus: PositiveInt = 4) -> None:
    """Print a Markdown table, and what it assumes.

    Hours are measured where a job is done, else follow from what it computes: from the images a
    second that `make check-gpu` measured on such a device, or from its operations at a stated share
    of the device's peak. Done jobs correct those of their rule that are to come.

    Args:
        configfiles: of the study, as Snakemake takes them.
        device: the kind of GPU.
        gpus: how many of them work at once.
    """
    config = load_study(configfiles)  # what is wrong with them is said in one line
    waits = planned(configfiles)
    chosen = device_named(device, ROOT / "results" / "gpu")
    costs = {job: cost_of(job, config, chosen) for job in waits}
    found = rows(waits, costs, gpus)
    print("| " + " | ".join(found[0]) + " |\n" + "|---" * len(found[0]) + "|")
    for row in found:
        written = [f"{v:.1f}" if isinstance(v, float) else str(v) for v in row.values()]
        print("| " + " | ".join(written) + " |")
    done = sorted({cost.rule for cost in costs.values() if cost.took is not None})
    print(f"\nMeasured in this study: {', '.join(done) or 'nothing yet'}.")
    if chosen.measured:
        print(f"Measured by `make check-gpu` on {device}: {', '.join(sorted(chosen.measured))}.")
    else:
        print(
            f"Assumed: {device}, whose peak is {chosen.peak:g} tera-operations a second, at "
            f"{EFFICIENCY:.0%} of it; from and to are {1 / DOUBT:g} and {DOUBT:g} times as much. "
            "`make check-gpu` measures it."
        )
    print("Wall-clock hours are those of a queue that never keeps a job waiting for its cores.")
    if memory := in_words(config):
        print(f"GPU memory to train: {memory}.")


if __name__ == "__main__":
    run(main)
