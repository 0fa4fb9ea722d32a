"""The configuration of a study: its model, its checks, and the recipes in it. Loads no torch."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from workflow_src.common.errors import InputError
from workflow_src.common.validation import one_line
from workflow_src.common.yaml_files import parse_yaml
from workflow_src.study.columns import COLUMNS, all_columns, columns_of
from workflow_src.study.datasets import Dataset
from workflow_src.study.downstream import CONTROL
from workflow_src.study.options import check_options
from workflow_src.study.registries import FETCHED_FROM
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
    _check_references(completed)
    check_options(
        completed,
        {name: method_settings(completed, name) for name in completed["synthesis"]["methods"]},
        {name: model_settings(completed, name) for name in completed["segmentation"]["models"]},
    )
    _check_extractors(completed)
    _check_paths(completed)
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
    """Replace the text at a place by the number, list or null it stands for; whether it did."""
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


def models_of(config: dict) -> list[str]:
    """All that can segment: light models, and nnU-Net on each mix."""
    mixes = [f"nnunet-{mix}" for mix in config["downstream"]["mixes"]]
    return [*config["segmentation"]["models"], *mixes]


def _check_references(config: dict) -> None:
    """Names that point at other entries must point at something."""
    methods = list(config["synthesis"]["methods"])
    mixes = list(config["downstream"]["mixes"])
    datasets, models = list(config["datasets"]), models_of(config)
    rows_of = {"methods": methods, "mixes": mixes, "models": models}
    if CONTROL in methods:
        raise InputError(
            f"config: synthesis.methods.{CONTROL}: this name is taken by the augmented real images "
            "that mixes are compared with; choose another"
        )
    claims: list[tuple[str, Any, list[str]]] = []
    for name, table in config["tables"].items():
        columns = columns_of(table["of"])
        for key in ("columns", "more"):
            claims += [(f"tables.{name}.{key}", column, columns) for column in table[key]]
        claims += [(f"tables.{name}.rows", row, rows_of[table["of"]]) for row in table["rows"]]
        claims += [(f"tables.{name}.datasets", d, datasets) for d in table["datasets"]]
        if table["reference"] is not None:
            claims.append((f"tables.{name}.reference", table["reference"], table["rows"]))
    for name, mix in config["downstream"]["mixes"].items():
        if mix["method"] is not None:
            claims.append((f"downstream.mixes.{name}.method", mix["method"], [*methods, CONTROL]))
    figures = config["figures"]
    claims += [("figures.methods", method, methods) for method in figures["methods"]]
    claims.append(("figures.dataset", figures["dataset"], datasets))
    claims.append(("figures.segmenter", figures["segmenter"], models))
    claims.append(
        ("synthesis.faithfulness_model", config["synthesis"]["faithfulness_model"], models)
    )
    for key, found, allowed in claims:
        if found not in allowed:
            raise InputError(f"config: {key} has {found!r}; allowed: {', '.join(allowed)}")


def _check_extractors(config: dict) -> None:
    """A column that features make needs the extractor of these."""
    for name, table in config["tables"].items():
        for column in all_columns(table):
            extractor = COLUMNS[column].extractor
            if extractor and extractor not in config["metrics"]["use"]:
                raise InputError(
                    f"config: tables.{name} has {column!r}, which {extractor} makes: add that to "
                    "metrics.use, or show a column of another extractor"
                )


def _check_paths(config: dict) -> None:
    """What the user says is on this machine must be there; what is not must be fetchable."""
    for name, dataset in config["datasets"].items():
        root, kind = dataset["root"], dataset["reading"]["format"]
        here = root or dataset["phantom"]
        if not here and kind not in FETCHED_FROM:
            raise InputError(
                f"config: datasets.{name} has no root, and no rule fetches the format {kind}: give "
                "the folder of your raw images as root"
            )
        lacking = [key for key in FETCHED_FROM.get(kind, ()) if key not in dataset["download"]]
        if lacking and not here:
            raise InputError(
                f"config: datasets.{name} has no root and no phantom, and its download lacks "
                f"{', '.join(lacking)}: give the folder of your raw images as root"
            )
        if root:
            _check_root(name, root)
    extractors = config["metrics"]["extractors"]
    files = {f"metrics.extractors.{name}.path": e["path"] for name, e in extractors.items()}
    files["backbone.path"] = config["backbone"]["path"]
    files["backbone.autoencoder.path"] = config["backbone"]["autoencoder"]["path"]
    for key, path in files.items():
        if path and not Path(path).exists():
            raise InputError(
                f"config: {key} is {path!r}, which is not here; null fetches or makes it"
            )


def _check_root(name: str, root: str) -> None:
    """A raw set must be there, apart from what the workflow itself writes."""
    key = f"config: datasets.{name}.root is {root!r}"
    if not Path(root).is_dir():
        raise InputError(
            f"{key}, which is not a folder here; allowed: the folder of your raw images, or null "
            "to download them"
        )
    place, results = Path(root).resolve(), Path("results").resolve()
    if place.is_relative_to(results) or results.is_relative_to(place):
        raise InputError(
            f"{key}, which holds results/ or is in it; allowed: a folder of raw images alone"
        )
