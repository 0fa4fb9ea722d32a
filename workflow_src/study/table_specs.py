"""What a study's tables show: rows, labels, and the metrics files behind them.

Pure look-ups in the config. Only the rules and `readiness` use this, so that the hash of no table's
code depends on it.
"""

from dataclasses import dataclass

from workflow_src.study.columns import COLUMNS, METRICS, REAL_PLACE, REAL_ROWS, all_columns


@dataclass(frozen=True)
class CellFile:
    """A metrics file that a table is made from.

    Args:
        kind: of METRICS.
        dataset: name.
        row: name in the table.
        path: with <results> for the study's folder.
    """

    kind: str
    dataset: str
    row: str
    path: str


def target_of(name: str) -> str:
    """What a table is called as a target and as a file: table3, table_my_gammas."""
    return f"table{name}" if name.isdigit() else f"table_{name}"


def _order(name: str) -> tuple[bool, int, str]:
    return not name.isdigit(), len(name) if name.isdigit() else 0, name


def tables_in_order(config: dict) -> list[str]:
    """Names of the tables: numbers first, as configs laid over each other keep no order."""
    return sorted(config["tables"], key=_order)


def model_of(of: str, row: str) -> str:
    """What a row is measured by: a mix by the nnU-Net trained on it."""
    return f"nnunet-{row}" if of == "mixes" else row


def models_of(config: dict) -> list[str]:
    """All that can segment: light models, and nnU-Net on each mix."""
    mixes = [model_of("mixes", mix) for mix in config["downstream"]["mixes"]]
    return [*config["segmentation"]["models"], *mixes]


def mix_of(model: str) -> str | None:
    """The mix that a model is nnU-Net on; None for a light segmenter."""
    return model.removeprefix("nnunet-") if model.startswith("nnunet-") else None


def model_label(config: dict, model: str) -> str:
    """The name of a model: its own, or that of nnU-Net on a mix."""
    if mix := mix_of(model):
        return f"nnU-Net, {config['downstream']['mixes'][mix]['label']}"
    return config["segmentation"]["models"][model]["label"]


def label_of(config: dict, name: str, row: str) -> str:
    """The name of a row in a table: the table's own, else that of the entry."""
    table = config["tables"][name]
    if own := table["labels"].get(row):
        return own
    if table["of"] == "methods":
        return config["synthesis"]["methods"][row]["label"]
    if table["of"] == "mixes":
        return config["downstream"]["mixes"][row]["label"]
    return model_label(config, row)


def table_kinds(config: dict, name: str) -> list[str]:
    """The kinds of metrics that a table shows, sorted."""
    return sorted({COLUMNS[column].kind for column in all_columns(config["tables"][name])})


def real_rows(config: dict, name: str) -> dict[str, str]:
    """Rows of real images, and their labels, where a table shows how close synthetic ones are."""
    return REAL_ROWS if "fidelity" in table_kinds(config, name) else {}


def cell_files(config: dict, name: str) -> list[CellFile]:
    """Every metrics file of a table: by kind, data set and row, one per seed or one for all."""
    table, found = config["tables"][name], []
    for kind in table_kinds(config, name):
        place = f"<results>/{METRICS[kind].place}"
        seeds = config["seeds"] if "{seed}" in place else [None]
        found += [
            CellFile(
                kind,
                dataset,
                row,
                place.format(dataset=dataset, row=model_of(table["of"], row), seed=seed),
            )
            for dataset in table["datasets"]
            for row in table["rows"]
            for seed in seeds
        ]
    found += [
        CellFile(
            "fidelity", dataset, row, f"<results>/{REAL_PLACE.format(dataset=dataset, row=row)}"
        )
        for dataset in table["datasets"]
        for row in real_rows(config, name)
    ]
    return found


def read_by(config: dict, *names: str) -> list[str]:
    """What a step reads of tables: their metrics files, each followed by its per-image table."""
    found: dict[str, None] = {}
    for file in (file for name in names for file in cell_files(config, name)):
        beside = METRICS[file.kind].per_image
        found[file.path] = None
        if beside:
            found[f"{file.path.rpartition('/')[0]}/{beside}"] = None
    return list(found)


def files_of(config: dict, name: str, located: dict[str, str]) -> dict:
    """The metrics files of a table by kind, data set and row, one per seed or one for all.

    Args:
        config: the study.
        name: of the table.
        located: the file that the rule has for each path of `read_by`.
    """
    files: dict[str, dict[str, dict[str, list[str]]]] = {}
    for file in cell_files(config, name):
        rows = files.setdefault(file.kind, {}).setdefault(file.dataset, {})
        rows.setdefault(file.row, []).append(located[file.path])
    return files


def spec_of(config: dict, name: str) -> dict:
    """A table as `workflow_src.paper.measured.TableSpec` holds it, but for its files."""
    table = config["tables"][name]
    return {
        "title": table["title"] or "",
        "rows": {row: label_of(config, name, row) for row in table["rows"]},
        "real": real_rows(config, name),
        "datasets": {d: config["datasets"][d]["label"] for d in table["datasets"]},
        "columns": table["columns"],
        "more": table["more"],
        "seeds": config["seeds"],
        "reference": table["reference"],
        "drawn": [d for d in table["datasets"] if config["datasets"][d]["phantom"]],
    }


def cost_files(config: dict) -> dict[str, str]:
    """What the tables' models cost: each model's file, on the data set that shows it first."""
    found: dict[str, str] = {}
    for name in tables_in_order(config):
        for file in cell_files(config, name):
            if file.kind == "cost":
                found.setdefault(model_of(config["tables"][name]["of"], file.row), file.path)
    return found


def table_showing(config: dict, of: str, dataset: str, *columns: str) -> str | None:
    """The first table of such rows that shows these columns of a data set; None if none does."""
    for name in tables_in_order(config):
        table = config["tables"][name]
        shows = dataset in table["datasets"] and set(columns) <= set(table["columns"])
        if table["of"] == of and shows:
            return name
    return None
