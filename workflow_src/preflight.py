"""Check, before a study's hours are spent, that its config, inputs, disk and machine are right."""

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from workflow_src.closure import ROOT
from workflow_src.command import run
from workflow_src.configuration import merged, validated
from workflow_src.errors import InputError
from workflow_src.readiness.findings import Finding


def study(configfiles: list[Path]) -> dict:
    """The configuration of a study: its files over the default, as Snakemake lays them.

    Raises:
        InputError: if a file is not there or no YAML, or the configuration is not valid.
    """
    config: dict = {}
    for file in [ROOT / "config" / "config.yaml", *configfiles]:
        try:
            settings = yaml.safe_load(file.read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{file} cannot be read ({reason}): give a config file") from error
        if not isinstance(settings, dict):
            raise InputError(f"{file} holds no keys with values: give a config file")
        config = merged(config, settings)
    return validated(config)


def findings(config: dict) -> Iterator[Finding]:
    """What every check finds."""
    from workflow_src.readiness.disk import space
    from workflow_src.readiness.inputs import data_sets, weights
    from workflow_src.readiness.machine import environment, gpus, slurm

    yield Finding("OK", "config", f"study {config['study']}, seeds {config['seeds']}")
    yield from environment(ROOT / "requirements.lock")
    yield from gpus(config)
    yield from slurm(config, ROOT / "slurm")
    yield from space(config)
    yield from weights(config)
    yield from data_sets(config)


def main(configfiles: list[Path]) -> None:
    """Print a line per check: OK, WARN or FAIL, and the remedy. Ends with 1 if any check fails.

    Args:
        configfiles: of the study, as Snakemake takes them.
    """
    try:
        config = study(configfiles)
    except InputError as error:
        print(Finding("FAIL", "config", str(error).removeprefix("config: ")))
        sys.exit(1)
    levels = []
    for finding in findings(config):
        print(finding, flush=True)
        levels.append(finding.level)
    if "FAIL" in levels:
        sys.exit(f"{levels.count('FAIL')} to mend before `snakemake` starts")


if __name__ == "__main__":
    run(main)
