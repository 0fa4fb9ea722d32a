"""Reads a study from its config files, as Snakemake lays them over each other."""

from pathlib import Path

from workflow_src.common.code_hash import ROOT
from workflow_src.common.yaml_files import read_yaml
from workflow_src.study.configuration import merged, validated


def load_study(configfiles: list[Path]) -> dict:
    """The configuration of a study: its files over the default, as Snakemake lays them.

    Raises:
        InputError: if a file is not there or not YAML, or the configuration is not valid.
    """
    config: dict = {}
    for file in [ROOT / "config" / "config.yaml", *configfiles]:
        config = merged(config, read_yaml(file))
    return validated(config)
