"""Checks the configuration before anything runs, and looks recipes up in it. Loads no torch."""

from pathlib import Path
from typing import Any

from workflow_src.common.errors import InputError
from workflow_src.study.columns import COLUMNS, all_columns, columns_of
from workflow_src.study.configuration_schema import conform
from workflow_src.study.downstream import CONTROL
from workflow_src.study.registries import (
    EXTRACTORS,
    FETCHED_FROM,
    RAW_FORMATS,
    SEGMENTERS,
    WEIGHTINGS,
)


def validated(config: dict) -> dict:
    """Check a configuration, in place.

    Values given by `--config` arrive as text; those that should be numbers, or null, become that.

    Raises:
        InputError: one line that names the key, what was found, and what is allowed.
    """
    conform(config)
    for name in [name for name, table in config["tables"].items() if table is None]:
        del config["tables"][name]
    for dataset in config["datasets"].values():
        dataset.setdefault("phantom", None)
        dataset.setdefault("download", {})
    for section, names in (("synthesis", "methods"), ("segmentation", "models")):
        for name in config[section][names]:
            settings = resolve(config[section], names, name)
            if names == "models" and "architecture" not in settings:
                raise InputError(
                    f"config: segmentation.models.{name} lacks an architecture: name one, or a "
                    "model that it extends"
                )
    _check_references(config)
    _check_extractors(config)
    _check_sizes(config)
    _check_paths(config)
    return config


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


def models_of(config: dict) -> list[str]:
    """All that can segment: light models, and nnU-Net on each mix."""
    mixes = [f"nnunet-{mix}" for mix in config["downstream"]["mixes"]]
    return [*config["segmentation"]["models"], *mixes]


def _check_references(config: dict) -> None:
    """Names that point at other entries must point at something."""
    methods = list(config["synthesis"]["methods"])
    mixes = list(config["downstream"]["mixes"])
    datasets, models = list(config["datasets"]), models_of(config)
    rows = {"methods": methods, "mixes": mixes, "models": models}
    if CONTROL in methods:
        raise InputError(
            f"config: synthesis.methods.{CONTROL}: this name is taken by the augmented real images "
            "that mixes are compared with; choose another"
        )
    claims: list[tuple[str, Any, list[str]]] = []
    for table_name, table in config["tables"].items():
        place, of = f"tables.{table_name}", table["of"]
        for key in ("columns", "more"):
            shown = table.get(key, [])
            claims += [(f"{place}.{key}", column, columns_of(of)) for column in shown]
        claims += [(f"{place}.rows", row, rows[of]) for row in table["rows"]]
        claims += [(f"{place}.datasets", d, datasets) for d in table["datasets"]]
        if table.get("reference") is not None:
            claims.append((f"{place}.reference", table["reference"], table["rows"]))
    for name, mix in config["downstream"]["mixes"].items():
        if mix.get("method") is not None:
            allowed_methods = [*methods, CONTROL]
            claims.append((f"downstream.mixes.{name}.method", mix["method"], allowed_methods))
    members = [
        (WEIGHTINGS, "synthesis", "methods", ("weighting", "distillation_weighting")),
        (SEGMENTERS, "segmentation", "models", ("architecture",)),
    ]
    for registry, section, names, keys in members:
        for name, entry in config[section][names].items():
            there = [key for key in keys if key in entry]
            claims += [(f"{section}.{names}.{name}.{k}", entry[k], list(registry)) for k in there]
    for name, dataset in config["datasets"].items():
        key = f"datasets.{name}.reading.format"
        claims.append((key, dataset["reading"]["format"], list(RAW_FORMATS)))
    used = config["metrics"]["use"]
    claims += [("metrics.use", name, list(EXTRACTORS)) for name in used]
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


def _check_sizes(config: dict) -> None:
    """Numbers that must fit each other."""
    synthesis, backbone, asked = config["synthesis"], config["backbone"], config["resources"]
    gpus = (asked["default"] | asked.get("train_controlnet", {})).get("gpu", 0)
    levels = 4 if backbone["kind"] == "stable-diffusion" else len(backbone["autoencoder"]["widths"])
    if backbone["kind"] == "small" and backbone["autoencoder"].get("path"):
        levels = None  # known only once the given autoencoder is read
    for name in synthesis["methods"]:
        recipe = resolve(synthesis, "methods", name)
        if levels and len(recipe["hint_channels"]) != levels:
            raise InputError(
                f"config: synthesis.training.hint_channels has {len(recipe['hint_channels'])} "
                f"entries; allowed: {levels}, one per level of the autoencoder"
            )
        together = recipe["micro_batch"] * max(gpus, 1)
        if recipe["batch_size"] % together:
            on = f" x {gpus} GPUs (resources.train_controlnet.gpu)" if gpus > 1 else ""
            raise InputError(
                f"config: synthesis.methods.{name}: batch_size {recipe['batch_size']} is no "
                f"multiple of micro_batch {recipe['micro_batch']}{on}"
            )
    per_mask = synthesis["sampling"]["per_mask"]
    for name, mix in config["downstream"]["mixes"].items():
        if mix.get("method") and mix.get("ratio", 1.0) > per_mask:
            raise InputError(
                f"config: downstream.mixes.{name}.ratio is {mix.get('ratio', 1.0)}; allowed: at "
                f"most {per_mask}, which is synthesis.sampling.per_mask"
            )
        if not mix.get("real", True) and not mix.get("method"):
            raise InputError(f"config: downstream.mixes.{name} is empty: set real or method")
    for name, dataset in config["datasets"].items():
        window = dataset["reading"].get("window", [0, 1])
        if window[0] >= window[1]:
            raise InputError(
                f"config: datasets.{name}.reading.window is {window}; allowed: rising limits"
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
        if root and not Path(root).is_dir():
            raise InputError(
                f"config: datasets.{name}.root is {root!r}, no folder here; allowed: the folder "
                "of your raw images, or null to download them"
            )
    extractors = config["metrics"]["extractors"]
    files = {f"metrics.extractors.{name}.path": e.get("path") for name, e in extractors.items()}
    files["backbone.path"] = config["backbone"]["path"]
    files["backbone.autoencoder.path"] = config["backbone"]["autoencoder"].get("path")
    for key, path in files.items():
        if path and not Path(path).exists():
            raise InputError(
                f"config: {key} is {path!r}, which is not here; null fetches or makes it"
            )
