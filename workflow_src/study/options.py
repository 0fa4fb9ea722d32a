"""Options that only a registry's member knows: seen to be its own before anything runs."""

from collections.abc import Iterator, Mapping
from typing import Any

from workflow_src.common.errors import InputError
from workflow_src.common.registry import require_options
from workflow_src.study.registries import EXTRACTORS, RAW_FORMATS, SEGMENTERS, WEIGHTINGS
from workflow_src.study.segmentation import SegmenterRecipe
from workflow_src.study.synthesis import ControlNetRecipe

Given = tuple[str, Mapping[str, str], str, dict[str, Any]]  # key, registry, member, options


def check_options(
    config: dict, methods: dict[str, ControlNetRecipe], models: dict[str, SegmenterRecipe]
) -> None:
    """What methods, models, raw formats and extractors are given must be options of theirs.

    Args:
        config: of the study, completed.
        methods: the complete settings of each method.
        models: and of each light segmenter.

    Raises:
        InputError: naming the key, the option, and those that are allowed.
    """
    for key, registry, member, options in _given(config, methods, models):
        try:
            require_options(registry, member, key, options)
        except InputError as error:
            raise InputError(f"config: {key}: {error}") from error


def _given(config: dict, methods: dict, models: dict) -> Iterator[Given]:
    for name, method in methods.items():
        key = f"synthesis.methods.{name}.weighting_options"
        yield key, WEIGHTINGS, method.weighting, method.weighting_options
    for name, model in models.items():
        key = f"segmentation.models.{name}.options"
        yield key, SEGMENTERS, model.architecture, model.options
    for name, dataset in config["datasets"].items():
        reading = dataset["reading"]
        yield f"datasets.{name}.reading.options", RAW_FORMATS, reading["format"], reading["options"]
    for name in config["metrics"]["use"]:
        settings = config["metrics"]["extractors"].get(name, {})
        key = f"metrics.extractors.{name}.options"
        yield key, EXTRACTORS, name, settings.get("options", {})
