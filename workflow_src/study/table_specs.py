"""What a study's tables show: rows, labels, and where the metrics lie. Pure look-ups in the config.

Only the rules use this, so that no script's hash of its code depends on it.
"""

# Where the metrics of a table's cell lie, by the kind of the metric.
METRICS = {
    "fidelity": "<results>/synthetic/{dataset}/{row}/seed{seed}/fidelity.json",
    "faithfulness": "<results>/faithfulness/{dataset}/{row}/seed{seed}/metrics.json",
    "stability": "<results>/controlnet/{dataset}/{row}/seed{seed}/stability.json",
    "score": "<results>/scores/{dataset}/{row}/seed{seed}/metrics.json",
    "cost": "<results>/cost/{dataset}/{row}.json",
}
# The kind of a column's metric; the other columns are scores of segmentations.
KINDS = {
    "fid": "fidelity", "kid": "fidelity", "clip_i": "fidelity", "clip_i_paired": "fidelity",
    "faithfulness": "faithfulness", "stability": "stability",
    "parameters": "cost", "gflops": "cost",
}  # fmt: skip


def table_kinds(config: dict, number: str) -> list[str]:
    """The kinds of metrics that a table shows, sorted."""
    return sorted({KINDS.get(column, "score") for column in config["tables"][number]["columns"]})


def metrics_pattern(kind: str, number: str) -> str:
    """Where the metrics of a kind lie for a table: Table 2's rows are mixes, scored as nnU-Nets."""
    pattern = METRICS[kind]
    return pattern.replace("{row}", "nnunet-{row}") if number == "2" else pattern


def label_of(config: dict, number: str, row: str) -> str:
    """The name of a row in a table: the table's own, else the entry's, else nnU-Net on a mix."""
    own = config["tables"][number].get("labels", {}).get(row)
    mixes = config["downstream"]["mixes"]
    sections = (config["synthesis"]["methods"], config["segmentation"]["models"], mixes)
    entry = next((section[row] for section in sections if row in section), {})
    mix = mixes.get(row.removeprefix("nnunet-"), {})
    return own or entry.get("label") or f"nnU-Net, {mix.get('label', row)}"


def spec_of(config: dict, number: str) -> dict:
    """Rows, columns and places of a table, as `workflow_src.paper.cells.TableSpec` holds them."""
    table, results = config["tables"][number], f"results/{config['study']}"
    return {
        "rows": {row: label_of(config, number, row) for row in table["rows"]},
        "datasets": {name: config["datasets"][name]["label"] for name in table["datasets"]},
        "columns": table["columns"],
        "seeds": config["seeds"],
        "files": {
            kind: metrics_pattern(kind, number).replace("<results>", results)
            for kind in table_kinds(config, number)
        },
        "reference": table.get("reference"),
    }


def cost_files(config: dict) -> dict[str, str]:
    """What the tables' models cost: each model's file, on the data set that shows it first."""
    found: dict[str, str] = {}
    for table in config["tables"].values():
        if {"parameters", "gflops"} & set(table["columns"]):
            for row in table["rows"]:
                path = METRICS["cost"].format(dataset=table["datasets"][0], row=row)
                found.setdefault(row, path)
    return found
