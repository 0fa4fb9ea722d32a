# The paper's tables and figures from the metrics on disk, and the report that holds them all.


rule make_table:
    input:
        metrics=table_metrics,
        published="config/published.yaml",
    output:
        expand(TABLES, suffix=SUFFIXES, allow_missing=True),
    log:
        "<logs>/make_table/{number}.log",
    benchmark:
        "<benchmarks>/make_table/{number}.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("make_table"),
        spec=table_spec,
        remarks=table_remarks,
        output=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python -m workflow_src.make_table --number {wildcards.number} --spec {params.spec:q}"
        " --published {input.published} --output {params.output} --remarks {params.remarks:q}"
        " > {log} 2>&1"


rule plot_synthesis:
    input:
        data=f"<results>/data/{config['figures']['dataset']}/{SIZE}/meta.json",
        synthetic=figure_synthetic,
    output:
        "<results>/figures/figure6.pdf",
        "<results>/figures/figure6.png",
    log:
        "<logs>/plot_synthesis.log",
    benchmark:
        "<benchmarks>/plot_synthesis.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_synthesis"),
        data=subpath(input.data, parent=True),
        synthetic=by_label("synthetic", parent=True),
        examples=config["figures"]["examples"],
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_synthesis --data {params.data}"
        " --synthetic {params.synthetic:q} --examples {params.examples}"
        " --output {params.output} > {log} 2>&1"


rule plot_segmentation:
    input:
        data=figure_segmenter("<results>/data/{dataset}/{view}/meta.json"),
        predictions=figure_segmenter(
            "<results>/predictions/{dataset}/{model}/seed{seed}/predictions.json"
        ),
        scores=figure_segmenter(
            "<results>/scores/{dataset}/{model}/seed{seed}/metrics.csv"
        ),
    output:
        "<results>/figures/figure7.pdf",
        "<results>/figures/figure7.png",
    log:
        "<logs>/plot_segmentation.log",
    benchmark:
        "<benchmarks>/plot_segmentation.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_segmentation"),
        data=subpath(input.data, parent=True),
        predictions=subpath(input.predictions, parent=True),
        label=label_of("3", config["figures"]["segmenter"]),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_segmentation --data {params.data}"
        " --predictions {params.predictions} --scores {input.scores} --label {params.label:q}"
        " --output {params.output} > {log} 2>&1"


rule plot_delta_maps:
    input:
        trained=figure_law(),
    output:
        "<results>/figures/figure8.pdf",
        "<results>/figures/figure8.png",
    log:
        "<logs>/plot_delta_maps.log",
    benchmark:
        "<benchmarks>/plot_delta_maps.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_delta_maps"),
        trained=subpath(input.trained, parent=True),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_delta_maps --trained {params.trained}"
        " --output {params.output} > {log} 2>&1"


rule plot_training:
    input:
        logs=figure_logs,
    output:
        "<results>/figures/training.pdf",
        "<results>/figures/training.png",
    log:
        "<logs>/plot_training.log",
    benchmark:
        "<benchmarks>/plot_training.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_training"),
        logs=by_label("logs"),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_training --logs {params.logs:q} --output {params.output}"
        " > {log} 2>&1"


rule plot_accuracy_cost:
    input:
        table="<results>/tables/table3.csv",
    output:
        "<results>/figures/accuracy_cost.pdf",
        "<results>/figures/accuracy_cost.png",
    log:
        "<logs>/plot_accuracy_cost.log",
    benchmark:
        "<benchmarks>/plot_accuracy_cost.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_accuracy_cost"),
        dataset=config["figures"]["dataset"],
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_accuracy_cost --table {input.table}"
        " --dataset {params.dataset} --output {params.output} > {log} 2>&1"


rule make_report:
    input:
        tables=expand(TABLES, number=config["tables"], suffix="md"),
        figures=expand("<results>/figures/{figure}.png", figure=FIGURES),
    output:
        "<results>/report.html",
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
        figures=as_json("figures"),
        settings=as_text(config),
        study=config["study"],
    shell:
        "python -m workflow_src.make_report --study {params.study} --tables {params.tables:q}"
        " --figures {params.figures:q} --settings {params.settings:q} --output {output}"
        " > {log} 2>&1"
