# Regenerates every table and figure of LAW & ORDER. See README.md; `snakemake -n` shows the plan.

from snakemake.utils import min_version

min_version("9.20")


configfile: "config/config.yaml"


include: "rules/lookups/common.smk"
include: "rules/lookups/commands.smk"


container: IMAGE


pathvars:
    results=f"results/{config['study']}",
    logs=f"results/{config['study']}/logs",
    benchmarks=f"results/{config['study']}/benchmarks",


report: "workflow_src/paper/captions/workflow.rst"


include: "rules/lookups/data.smk"
include: "rules/data.smk"
include: "rules/backbone.smk"
include: "rules/lookups/synthesis.smk"
include: "rules/synthesis.smk"
include: "rules/lookups/downstream.smk"
include: "rules/downstream.smk"
include: "rules/lookups/segmentation.smk"
include: "rules/segmentation.smk"
include: "rules/faithfulness.smk"
include: "rules/lookups/reporting.smk"
include: "rules/figures.smk"
include: "rules/paper.smk"


rule all:
    default_target: True
    input:
        files_of_tables(*TABLE_NAMES.values()),
        files_of_figures("pdf", "png"),
        "<results>/report.html",
    localrule: True


rule report:
    input:
        "<results>/report.html",
        "<results>/audit.md",
        "<results>/claims.md",
        files_of_tables(*TABLE_NAMES.values()),
    localrule: True


rule figures:
    input:
        files_of_figures("pdf", "png"),
    localrule: True


rule ablation_law:
    input:
        files_of_tables("4"),
        "<results>/figures/figure8.pdf",
    localrule: True


rule ablation_order:
    input:
        files_of_tables("5", "6"),
    localrule: True


for target, name in TABLE_NAMES.items():

    rule:
        name:
            target
        input:
            files_of_tables(name),
        localrule: True
