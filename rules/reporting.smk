# Look-ups of the audit, the claims and the report. No rule.

CAPTIONS = "../workflow_src/paper/captions"
TEXTS = sorted(
    str(path.relative_to(workflow.basedir))
    for path in Path(workflow.basedir, "workflow_src/paper").glob("**/*")
    if path.suffix in (".rst", ".j2")
)
FIGURE_LABELS = [METHODS[method]["label"] for method in config["figures"]["methods"]]
SHOWN = sorted(
    {name for table in config["tables"].values() for name in table["datasets"]}
)


def all_metrics(wildcards):
    """Every metrics file of every table."""
    return sorted({file for number in config["tables"] for file in metrics_of(number)})


def all_specs(wildcards):
    """Rows, columns and places of every table, as JSON."""
    return json.dumps(
        {number: spec_of(config, number) for number in config["tables"]},
        ensure_ascii=False,
    )


def with_names(names, key, locate=str):
    """An input's files, or what `locate` makes of each path, by name, as JSON."""

    def look_up(wildcards, input):
        paths = [str(locate(Path(f))) for f in input[key]]
        return json.dumps(dict(zip(names, paths)), ensure_ascii=False)

    return look_up


def index_of(meta):
    """The index of a prepared set, beside its meta.json."""
    return meta.with_name("index.csv")


def shown_data(wildcards):
    """The prepared sets of the tables' data."""
    return [f"<results>/data/{name}/{SIZE}/meta.json" for name in SHOWN]


def law_options():
    """LAW's gamma and bounds, for Figure 1, as options; the paper's where no method has them."""
    return " ".join(f"--{key} {value}" for key, value in law_settings(config).items())


def shown(path, title, category):
    """A file of Snakemake's own report."""
    caption = f"{CAPTIONS}/{Path(path).stem}.rst"
    return report(path, caption=caption, category=category, labels={"what": title})
