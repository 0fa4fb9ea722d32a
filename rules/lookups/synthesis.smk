# Look-ups of the feature extractors that synthetic images are scored by.

from workflow_src.study.extractors import extractors_of, weights_of
from workflow_src.study.registries import EXTRACTORS

EXTRACTOR_WEIGHTS = [
    file for name in config["metrics"]["use"] if (file := weights_of(config, name))
]


def extractor_members(wildcards):
    """Where the extractors lie."""
    return [EXTRACTORS[name] for name in config["metrics"]["use"]]


def weights_setting(key):
    """Where an extractor's weights are fetched from, or their checksum."""
    return lambda wildcards: config["metrics"]["extractors"][wildcards.extractor][key]


def checksum_option(wildcards):
    """The checksum of an extractor's weights, as an option where one is pinned."""
    return option("sha256", weights_setting("sha256")(wildcards))
