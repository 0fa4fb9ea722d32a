"""The configuration of a study: its model, its checks, and the recipes in it. Loads no torch."""

from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from workflow_src.common.errors import InputError
from workflow_src.common.validation import one_line
from workflow_src.common.yaml_files import parse_yaml
from workflow_src.study.datasets import Dataset
from workflow_src.study.options import check_options
from workflow_src.study.references import check_extractors, check_paths, check_references
from workflow_src.study.resources import Resources
from workflow_src.study.segmentation import SegmenterRecipe
from workflow_src.study.settings import Count, Distinct, Name, Settings, TableName
from workflow_src.study.showing import Figures, Table
from workflow_src.study.stages import Backbone, Downstream, Metrics, Segmentation, Synthesis
from workflow_src.study.synthesis import ControlNetRecipe

TEXT_FOR_OTHERS = ("int_type", "float_type", "bool_type", "tuple_type", "dict_type", "model_type")


class Study(Settings):
    """The configuration of a study."""

    study: Name
    """Name of the study; its results are in results/<study>."""
    seeds: Distinct[Count]
    """Every training runs once per seed; tables show means over them."""
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    """The image sets, by name."""
    backbone: Backbone
    """The frozen latent-diffusion model under every method."""
    synthesis: Synthesis
    """Mask-conditioned synthesis, Tables 1 and 4."""
    metrics: Metrics
    """The networks whose features images are compared by."""
    segmentation: Segmentation
    """Light segmenters, Tables 3, 5 and 6."""
    downstream: Downstream
    """nnU-Net on mixes of real and synthetic images, Table 2."""
    tables: dict[TableName, Table | None]
    """What each table shows, by name: my_gammas is made by `snakemake table_my_gammas`, 3 by
    `snakemake table3`. Where the paper has a table of that name (config/published.yaml), its
    figures stand beside ours. Null drops a table."""
    figures: Figures
    """What the figures show."""
    resources: Resources = Resources()
    """What each rule asks for; a rule that is not named takes the default."""


def validated(config: dict) -> dict:
    """Check a configuration and complete it with the defaults, in place.

    Values given by `--config` arrive as text; those that should be numbers, lists or null become
    that. Methods, models and resources keep to what they name: `resolve` lays them over what they
    share.

    Raises:
        InputError: one line that names the key, what was found, and what is allowed.
    """
    completed = _modelled(config).complete()
    completed["tables"] = {k: table for k, table in completed["tables"].items() if table}
    for section, names in (("synthesis", "methods"), ("segmentation", "models")):
        for name in completed[section][names]:
            resolve(completed[section], names, name)
    for name in completed["segmentation"]["models"]:
        own = resolve(completed["segmentation"] | {"training": {}}, "models", name)
        if "architecture" not in own:
            raise InputError(
                f"config: segmentation.models.{name} lacks an architecture: name one, or a "
                "model that it extends"
            )
    check_references(completed)
    check_options(
        completed,
        {name: method_settings(completed, name) for name in completed["synthesis"]["methods"]},
        {name: model_settings(completed, name) for name in completed["segmentation"]["models"]},
    )
    check_extractors(completed)
    check_paths(completed)
    config |= completed
    return config


def _modelled(config: dict) -> Study:
    """The study, with what is text and should not be, read as YAML."""
    while True:
        try:
            return Study.model_validate(config)
        except ValidationError as error:
            texts = [
                one["loc"]
                for one in error.errors(include_url=False)
                if one["type"] in TEXT_FOR_OTHERS and isinstance(one["input"], str)
            ]
            changed = [_read_text(config, place) for place in texts]
            if not any(changed):
                raise InputError(f"config: {one_line(error)}") from error


def _read_text(config: dict, place: tuple) -> bool:
    """Replace the text at a place by the number, list or null that it means; say whether it did."""
    *above, last = place
    part: Any = config
    for key in above:
        part = part[key]
    text = part[last]
    try:
        value: Any = float(text)  # YAML does not read 1e-5 as a number
        value = int(text) if text.lstrip("-").isdigit() else value
    except ValueError:
        try:
            value = parse_yaml(text)
        except yaml.YAMLError as unreadable:
            key = ".".join(map(str, place))
            raise InputError(
                f"config: {key} is text that YAML cannot read, {text[:80]!r}: check its braces, "
                "brackets and quotes"
            ) from unreadable
    part[last] = value
    return not isinstance(value, str)


def merged(base: dict, change: dict) -> dict:
    """A deep copy of the base, overlaid with the change."""
    result = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def resolve(section: dict, names: str, name: str) -> dict:
    """Settings of a method or model: the shared ones, those it extends, and its own.

    Args:
        section: config["synthesis"] or config["segmentation"].
        names: "methods" or "models".
        name: of the entry.

    Raises:
        InputError: if it extends what is not there, or itself.
    """
    chain: list[str] = []
    current: str | None = name
    while current is not None:
        if current not in section[names]:
            raise InputError(
                f"config: {names}.{chain[-1]}.extends is {current!r}; allowed: "
                + ", ".join(section[names])
            )
        if current in chain:
            raise InputError(f"config: {names}.{name} extends itself: {' -> '.join(chain)}")
        chain.append(current)
        current = section[names][current].get("extends")
    result = section["training"]
    for link in reversed(chain):
        result = merged(result, section[names][link])
    return {key: value for key, value in result.items() if key not in ("label", "extends")}


def method_settings(config: dict, name: str) -> ControlNetRecipe:
    """The complete settings of a method."""
    return ControlNetRecipe(**resolve(config["synthesis"], "methods", name))


def model_settings(config: dict, name: str) -> SegmenterRecipe:
    """The complete settings of a light segmenter."""
    return SegmenterRecipe(**resolve(config["segmentation"], "models", name))
