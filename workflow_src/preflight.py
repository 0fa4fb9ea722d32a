"""Check, before a study's hours are spent, that its config, inputs, disk and machine are right."""

import sys
from collections.abc import Iterator
from pathlib import Path

from workflow_src.common.code_hash import ROOT
from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.readiness.findings import Finding, guarded
from workflow_src.study.loading import load_study


def findings(config: dict, thorough: bool = False) -> Iterator[Finding]:
    """What every check finds."""
    from workflow_src.readiness.disk import space
    from workflow_src.readiness.gpu_memory import gpu_memory
    from workflow_src.readiness.inputs import data_sets, weights
    from workflow_src.readiness.machine import environment, gpus, slurm

    yield Finding("OK", "config", f"study {config['study']}, seeds {config['seeds']}")
    yield from environment(ROOT / "requirements.lock")
    yield from gpus(config)
    yield from gpu_memory(config)
    yield from slurm(config, ROOT / "slurm")
    yield from guarded("disk", space, config)
    yield from weights(config)
    yield from data_sets(config, thorough)


def main(configfiles: list[Path], thorough: bool = False) -> None:
    """Print a line per check: OK, WARN or FAIL, and the remedy. Ends with 1 if any check fails.

    Args:
        configfiles: of the study, as Snakemake takes them.
        thorough: open every image and volume of the data, and not a sample.
    """
    try:
        config = load_study(configfiles)
    except InputError as error:
        print(Finding("FAIL", "config", str(error).removeprefix("config: ")))
        sys.exit(1)
    levels = []
    for finding in findings(config, thorough):
        print(finding, flush=True)
        levels.append(finding.level)
    if "FAIL" in levels:
        sys.exit(f"{levels.count('FAIL')} to fix before `snakemake` starts")


if __name__ == "__main__":
    run(main)
