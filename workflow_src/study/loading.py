"""Reads a study from its config files, as Snakemake lays them over each other."""

from pathlib import Path

import yaml

from workflow_src.common.code_hash import ROOT
from workflow_src.common.errors import InputError
from workflow_src.study.configuration import merged, validated


def load_study(configfiles: list[Path]) -> dict:
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
