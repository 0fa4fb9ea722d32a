# The paper's tables from the metrics on disk, the audit, the claims, and the report that holds all.


rule make_table:
    input:
        metrics=table_metrics,
        published="config/published.yaml",
    output:
        report(
            "<results>/tables/{table}.csv",
            caption="../workflow_src/paper/captions/table.rst",
            category="Tables",
            labels=table_label,
        ),
        expand(TABLES, suffix=SUFFIXES[1:], allow_missing=True),
    log:
        "<logs>/make_table/{table}.log",
    benchmark:
        "<benchmarks>/make_table/{table}.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("make_table"),
        name=table_name,
        spec=table_spec,
        shown=table_shown,
        remarks=protocol_remarks,
        output=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python -m workflow_src.make_table --name {params.name:q} --spec {params.spec:q}"
        " --published {input.published:q} --output {params.output:q} --remarks {params.remarks:q}"
        " > {log:q} 2>&1"


rule make_audit:
    input:
        published="config/published.yaml",
        costs=list(cost_files(config).values()),
        data=[f"<results>/data/{name}/{SIZE}/meta.json" for name in NOT_DRAWN],
        tables=files_of_tables(*TABLE_NAMES.values(), suffixes=["csv"]),
    output:
        shown(
            "<results>/audit.md", "Audit of the published numbers", "Audit and claims"
        ),
        "<results>/audit.json",
    log:
        "<logs>/make_audit.log",
    benchmark:
        "<benchmarks>/make_audit.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("make_audit"),
        step="make_audit",
        files=files(
            published=path_of("published"),
            costs=with_names(cost_files(config), "costs"),
            data=with_names(NOT_DRAWN_LABELS, "data", index_of),
            tables=with_names(TABLE_NAMES.values(), "tables"),
        ),
        names=as_text(NOT_DRAWN_LABELS),
        settings=options(reduced=as_text(reduced_costs(config))),
        output=subpath(output[0], strip_suffix=".md"),
    shell:
        "python -m workflow_src.{params.step:q} {params.files:q} {params.settings:q}"
        " --output {params.output:q} > {log:q} 2>&1"


use rule make_audit as make_claims with:
    input:
        claims="config/claims.yaml",
        published="config/published.yaml",
        metrics=all_metrics,
    output:
        shown("<results>/claims.md", "The paper's claims", "Audit and claims"),
        "<results>/claims.json",
    log:
        "<logs>/make_claims.log",
    benchmark:
        "<benchmarks>/make_claims.tsv"
    localrule: True
    params:
        code=code("make_claims"),
        step="make_claims",
        files=files(
            claims=path_of("claims"), published=path_of("published"), specs=all_specs
        ),
        names=all_shown,
        settings=options(reduced=as_text(reduced_costs(config))),


rule make_report:
    input:
        tables=files_of_tables(*TABLE_NAMES.values(), suffixes=["json"]),
        figures=files_of_figures("png"),
        claims="<results>/claims.json",
        audit="<results>/audit.json",
        texts=TEXTS,
    output:
        shown("<results>/report.html", "Everything in one file", "Report"),
    log:
        "<logs>/make_report.log",
    benchmark:
        "<benchmarks>/make_report.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("make_report"),
        tables=as_json("tables"),
        figures=with_names([FIGURE_TITLES[name] for name in FIGURES], "figures"),
        settings=as_text(config),
        benchmarks=f"results/{config['study']}/benchmarks",
        study=config["study"],
    shell:
        "python -m workflow_src.make_report --study {params.study:q} --tables {params.tables:q}"
        " --figures {params.figures:q} --claims {input.claims:q} --audit {input.audit:q}"
        " --benchmarks {params.benchmarks:q} --settings {params.settings:q} --output {output:q}"
        " > {log:q} 2>&1"
