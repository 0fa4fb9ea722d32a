# Look-ups of the tables, the figures, the audit, the claims and the report. No rule.

from workflow_src.study.protocol import reduced_costs, table_remarks
from workflow_src.study.figures import delta_method, law_settings
from workflow_src.study.table_specs import (
    cost_files,
    label_of,
    metrics_pattern,
    spec_of,
    table_kinds,
)

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


def metrics_of(number):
    """Every metrics file that a table is made from."""
    table = config["tables"][number]
    return [
        file
        for kind in table_kinds(config, number)
        for file in expand(
            metrics_pattern(kind, number),
            row=table["rows"],
            dataset=table["datasets"],
            seed=SEEDS,
        )
    ]


def table_metrics(wildcards):
    """The metrics files of the table that a rule makes."""
    return metrics_of(wildcards.number)


def table_spec(wildcards):
    """Rows, columns and places of the table that a rule makes, as JSON."""
    return json.dumps(spec_of(config, wildcards.number), ensure_ascii=False)


def protocol_remarks(wildcards):
    """The protocol of the table that a rule makes, for its notes, as JSON."""
    return json.dumps(table_remarks(config, wildcards.number), ensure_ascii=False)


def figure_synthetic(wildcards):
    """Synthetic sets of Figure 6."""
    figures = config["figures"]
    return expand(
        "<results>/synthetic/{dataset}/{method}/seed{seed}/set/meta.json",
        dataset=figures["dataset"],
        method=figures["methods"],
        seed=SEEDS[0],
    )


def figure_logs(wildcards):
    """Training logs of the compared methods."""
    figures = config["figures"]
    return expand(
        "<results>/controlnet/{dataset}/{method}/seed{seed}/log.csv",
        dataset=figures["dataset"],
        method=figures["methods"],
        seed=SEEDS[0],
    )


def figure_segmenter(pattern):
    """A file of Figure 7's segmenter."""
    figures = config["figures"]
    return expand(
        pattern,
        dataset=figures["dataset"],
        model=figures["segmenter"],
        view=view_of(figures["segmenter"]),
        seed=SEEDS[0],
    )[0]


def shown_segmenters():
    """The light segmenters of Table 3."""
    return [row for row in config["tables"]["3"]["rows"] if row in LIGHT_MODELS]


def segmenter_logs(name):
    """A log of each of their trainings."""
    return expand(
        f"<results>/models/{{dataset}}/{{light}}/seed{{seed}}/{name}",
        dataset=config["figures"]["dataset"],
        light=shown_segmenters(),
        seed=SEEDS[0],
    )


def figure_law():
    """The training whose delta maps Figure 8 shows."""
    place = f"{config['figures']['dataset']}/{delta_method(config)}/seed{SEEDS[0]}"
    return f"<results>/controlnet/{place}/recipe.json"


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
