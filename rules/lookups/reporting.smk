# Look-ups of the tables, the figures, the audit, the claims and the report. No rule.

from workflow_src.study.figures import (
    FIGURES as FIGURE_TITLES,
    copies_extractor,
    cost_table,
    delta_method,
    faithfulness_table,
    fraction_table,
    law_settings,
    real_fractions,
    score_table,
    shown_segmenters,
)
from workflow_src.study.protocol import reduced_costs, table_remarks
from workflow_src.study.table_specs import (
    cost_files,
    label_of,
    model_label,
    read_by,
    files_of,
    spec_of,
)

CAPTIONS = "../workflow_src/paper/captions"
TEXTS = sorted(
    str(path.relative_to(workflow.basedir))
    for path in Path(workflow.basedir, "workflow_src/paper").glob("**/*")
    if path.suffix in (".rst", ".j2")
)
FIGURE_DATA = config["figures"]["dataset"]
FIGURE_LABELS = [METHODS[method]["label"] for method in config["figures"]["methods"]]
SHOWN = sorted(
    {name for table in config["tables"].values() for name in table["datasets"]}
)
DATA_LABELS = [DATASETS[name]["label"] for name in SHOWN]
# Phantoms are compared with nothing of the paper's, and so are not in its audit.
NOT_DRAWN = [name for name in SHOWN if not DATASETS[name]["phantom"]]
NOT_DRAWN_LABELS = [DATASETS[name]["label"] for name in NOT_DRAWN]


def files_of_figures(*suffixes):
    """The files of the figures that the study has."""
    return expand(
        "<results>/figures/{figure}.{suffix}", figure=FIGURES, suffix=suffixes
    )


def pictures(figure):
    """The files that a figure's rule makes."""
    place = f"<results>/figures/{figure}"
    return [f"{place}.pdf", shown(f"{place}.png", FIGURE_TITLES[figure], "Figures")]


def files_of_tables(*names, suffixes=SUFFIXES):
    """The files of some tables, of those that the study has."""
    targets = [target for target, name in TABLE_NAMES.items() if name in names]
    return expand(TABLES, table=targets, suffix=suffixes)


def table_metrics(wildcards):
    """What the table that a rule makes is made from."""
    return read_by(config, TABLE_NAMES[wildcards.table])


def specs(*names):
    """Rows, columns and metrics files of some tables, by name."""

    def look_up(wildcards, input):
        located = dict(zip(read_by(config, *names), input.metrics, strict=True))
        return {
            name: spec_of(config, name) | {"files": files_of(config, name, located)}
            for name in names
        }

    return look_up


def table_spec(wildcards, input):
    """Rows, columns and metrics files of the table that a rule makes, as JSON."""
    name = TABLE_NAMES[wildcards.table]
    return json.dumps(specs(name)(wildcards, input)[name], ensure_ascii=False)


def table_shown(wildcards):
    """What the settings say of that table: if it changes, the table is made again."""
    return json.dumps(spec_of(config, TABLE_NAMES[wildcards.table]))


def table_name(wildcards):
    """The name of the table that a rule makes."""
    return TABLE_NAMES[wildcards.table]


def table_label(wildcards):
    """What a table is called in Snakemake's own report."""
    return {"what": f"Table {TABLE_NAMES[wildcards.table]}"}


def protocol_remarks(wildcards):
    """The protocol of the table that a rule makes, for its notes, as JSON."""
    return json.dumps(
        table_remarks(config, TABLE_NAMES[wildcards.table]), ensure_ascii=False
    )


def figure_synthetic(wildcards):
    """Synthetic sets of Figure 6."""
    figures = config["figures"]
    return expand(
        "<results>/synthetic/{dataset}/{method}/seed{seed}/set/meta.json",
        dataset=FIGURE_DATA,
        method=figures["methods"],
        seed=SEEDS[0],
    )


def figure_fidelity(wildcards):
    """Scores of the compared methods, every seed."""
    figures = config["figures"]
    return expand(
        "<results>/synthetic/{dataset}/{method}/seed{seed}/fidelity.json",
        dataset=figures["dataset"],
        method=figures["methods"],
        seed=SEEDS,
    )


def fidelity_by_label(wildcards, input):
    """The files of each method's scores, one per seed, by its label, as JSON."""
    each, files = len(SEEDS), list(input.fidelity)
    groups = [files[start : start + each] for start in range(0, len(files), each)]
    return json.dumps(dict(zip(FIGURE_LABELS, groups)), ensure_ascii=False)


def figure_logs(wildcards):
    """Training logs of the compared methods."""
    figures = config["figures"]
    return expand(
        "<results>/controlnet/{dataset}/{method}/seed{seed}/log.csv",
        dataset=FIGURE_DATA,
        method=figures["methods"],
        seed=SEEDS[0],
    )


def figure_segmenter(pattern):
    """A file of Figure 7's segmenter."""
    figures = config["figures"]
    return expand(
        pattern,
        dataset=FIGURE_DATA,
        model=figures["segmenter"],
        view=view_of(figures["segmenter"]),
        seed=SEEDS[0],
    )[0]


def segmenter_logs(name):
    """A log of the training of each light segmenter that is shown."""
    return expand(
        f"<results>/models/{{dataset}}/{{light}}/seed{{seed}}/{name}",
        dataset=FIGURE_DATA,
        light=shown_segmenters(config),
        seed=SEEDS[0],
    )


def segmenter_labels():
    """Their names in the table that they are shown by."""
    return [label_of(config, score_table(config), m) for m in shown_segmenters(config)]


def drawn_from(found, what):
    """The table or method that a figure is drawn from; ends the run in one line without any."""
    if found is None:
        sys.exit(f"config: this figure is drawn from {what}, and the study has none")
    return found


def metrics_of(table, what):
    """What the table that a figure is drawn from is made from."""
    return lambda wildcards: read_by(config, drawn_from(table(config), what))


def spec_by(table):
    """Rows, columns and metrics files of the table that a figure is drawn from, as JSON."""

    def look_up(wildcards, input):
        name = table(config)
        return json.dumps(specs(name)(wildcards, input)[name], ensure_ascii=False)

    return look_up


def shown_by(table):
    """What the settings say of that table: if it changes, the figure is drawn again."""
    return lambda wildcards: json.dumps(spec_of(config, table(config)))


def cost_csv(wildcards):
    """The table that accuracy against cost is drawn from."""
    what = f"a table of models with parameters, gflops and dice of {FIGURE_DATA}"
    name = drawn_from(cost_table(config), what)
    return files_of_tables(name, suffixes=["csv"])


def figure_law(wildcards):
    """The training whose delta maps Figure 8 shows."""
    method = drawn_from(delta_method(config), "a method that is weighted by law")
    place = f"{FIGURE_DATA}/{method}/seed{SEEDS[0]}"
    return f"<results>/controlnet/{place}/recipe.json"


def all_metrics(wildcards):
    """What all tables are made from."""
    return read_by(config, *TABLE_NAMES.values())


def all_specs(wildcards, input):
    """Rows, columns and metrics files of every table, by name, as JSON."""
    found = specs(*TABLE_NAMES.values())(wildcards, input)
    return json.dumps(found, ensure_ascii=False)


def all_shown(wildcards):
    """What the settings say of every table: if it changes, the claims are judged again."""
    return json.dumps({name: spec_of(config, name) for name in TABLE_NAMES.values()})


def folder(path):
    """The folder of a file."""
    return path.parent


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


def shown(path, title, category):
    """A file of Snakemake's own report."""
    caption = f"{CAPTIONS}/{Path(path).stem}.rst"
    return report(path, caption=caption, category=category, labels={"what": title})
