"""What a configuration names must be there: other entries of it, extractors, files and folders."""

from pathlib import Path
from typing import Any

from workflow_src.common.errors import InputError
from workflow_src.study.columns import COLUMNS, all_columns, columns_of
from workflow_src.study.downstream import CONTROL
from workflow_src.study.registries import FETCHED_FROM
from workflow_src.study.table_specs import models_of


def check_references(config: dict) -> None:
    """Names that point at other entries must point at something.

    Raises:
        InputError: naming the key, what it has, and what is allowed; this of all three checks.
    """
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


def check_extractors(config: dict) -> None:
    """A column that features make needs the extractor of these."""
    for name, table in config["tables"].items():
        for column in all_columns(table):
            extractor = COLUMNS[column].extractor
            if extractor and extractor not in config["metrics"]["use"]:
                raise InputError(
                    f"config: tables.{name} has {column!r}, which {extractor} makes: add that to "
                    "metrics.use, or show a column of another extractor"
                )


def check_paths(config: dict) -> None:
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
