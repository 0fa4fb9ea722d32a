# Look-ups of the audit, the claims and the report. No rule.

CAPTIONS = "../workflow_src/paper/captions"
TEXTS = sorted(
    str(path.relative_to(workflow.basedir))
    for path in Path(workflow.basedir, "workflow_src/paper").glob("**/*")
    if path.suffix in (".rst", ".j2")
)
SHOWN = sorted(
    {name for table in config["tables"].values() for name in table["datasets"]}
)


def all_metrics(wildcards):
    """Every metrics file of every table."""
    return sorted({file for number in config["tables"] for file in metrics_of(number)})


def all_specs(wildcards):
    """Rows, columns and places of every table, as JSON."""
    return json.dumps(
        {number: spec_of(number) for number in config["tables"]}, ensure_ascii=False
    )


def reduced_costs():
    """Costs that this study's settings change, as row.column: not the published network's."""
    light = [
        name for name in LIGHT_MODELS if light_recipe(name)["architecture"] == "order"
    ]
    coarse = [
        m for m in light if light_recipe(m).get("options", {}).get("grid", 32) != 32
    ]
    found = {f"{model}.gflops" for model in coarse}
    if config["downstream"]["training"].get("network"):
        found |= {
            f"nnunet-{mix}.{c}" for mix in MIXES for c in ("parameters", "gflops")
        }
    if config["segmentation"]["cost_size"] != 256:
        found |= {f"{model}.gflops" for model in models_of(config)}
    return sorted(found)


def cost_files():
    """What the models of the tables cost, by model."""
    found = {}
    for table in config["tables"].values():
        if {"parameters", "gflops"} & set(table["columns"]):
            for row in table["rows"]:
                path = METRICS["cost"].format(dataset=table["datasets"][0], row=row)
                found.setdefault(row, path)
    return found


def with_names(names, key, file=None):
    """An input's files, or a file beside each, by name, as JSON."""

    def look_up(wildcards, input):
        paths = [str(Path(f).with_name(file) if file else f) for f in input[key]]
        return json.dumps(dict(zip(names, paths)), ensure_ascii=False)

    return look_up


def shown_data(wildcards):
    """The prepared sets of the tables' data."""
    return [f"<results>/data/{name}/{SIZE}/meta.json" for name in SHOWN]


def law_settings():
    """LAW's gamma and bounds, for Figure 1, as options; the paper's where no method has them."""
    laws = (resolve(config["synthesis"], "methods", method) for method in METHODS)
    clamped = next((law for law in laws if law.get("clamp")), {})
    settings = {
        key: clamped[key] for key in ("gamma", "w_min", "w_max") if key in clamped
    }
    return " ".join(f"--{key} {value}" for key, value in settings.items())


def shown(path, title, category):
    """A file of Snakemake's own report."""
    caption = f"{CAPTIONS}/{Path(path).stem}.rst"
    return report(path, caption=caption, category=category, labels={"what": title})
