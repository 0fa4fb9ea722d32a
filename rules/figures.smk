# The paper's figures, and the curves beside them, from what was trained, sampled and scored.


rule plot_synthesis:
    input:
        data=f"<results>/data/{config['figures']['dataset']}/{SIZE}/meta.json",
        synthetic=figure_synthetic,
    output:
        "<results>/figures/figure6.pdf",
        shown("<results>/figures/figure6.png", "Figure 6: synthesis", "Figures"),
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
        synthetic=with_names(FIGURE_LABELS, "synthetic", lambda meta: meta.parent),
        examples=config["figures"]["examples"],
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_synthesis --data {params.data}"
        " --synthetic {params.synthetic:q} --examples {params.examples}"
        " --output {params.output} > {log} 2>&1"


rule plot_distances:
    input:
        fidelity=figure_fidelity,
        floors=f"<results>/floors/{config['figures']['dataset']}/real_halves.json",
    output:
        "<results>/figures/distances.pdf",
        shown("<results>/figures/distances.png", FIGURE_TITLES["distances"], "Figures"),
    log:
        "<logs>/plot_distances.log",
    benchmark:
        "<benchmarks>/plot_distances.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_distances"),
        fidelity=fidelity_by_label,
        floors=subpath(input.floors, parent=True),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_distances --fidelity {params.fidelity:q}"
        " --floors {params.floors} --output {params.output} > {log} 2>&1"


rule plot_copies:
    input:
        data=f"<results>/data/{config['figures']['dataset']}/{SIZE}/meta.json",
        test=f"<results>/floors/{config['figures']['dataset']}/real_test.json",
        synthetic=figure_synthetic,
        fidelity=figure_fidelity,
    output:
        "<results>/figures/copies.pdf",
        shown("<results>/figures/copies.png", FIGURE_TITLES["copies"], "Figures"),
    log:
        "<logs>/plot_copies.log",
    benchmark:
        "<benchmarks>/plot_copies.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_copies"),
        data=subpath(input.data, parent=True),
        synthetic=with_names(FIGURE_LABELS, "synthetic", lambda meta: meta.parent),
        fidelity=fidelity_by_label,
        extractor=copies_extractor(config),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_copies --data {params.data} --test {input.test}"
        " --synthetic {params.synthetic:q} --fidelity {params.fidelity:q}"
        " --extractor {params.extractor} --output {params.output} > {log} 2>&1"


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
        shown("<results>/figures/figure7.png", "Figure 7: segmentation", "Figures"),
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
        label=model_label(config, config["figures"]["segmenter"]),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_segmentation --data {params.data}"
        " --predictions {params.predictions} --scores {input.scores} --label {params.label:q}"
        " --output {params.output} > {log} 2>&1"


rule plot_delta_maps:
    input:
        trained=figure_law,
    output:
        "<results>/figures/figure8.pdf",
        shown("<results>/figures/figure8.png", "Figure 8: delta maps", "Figures"),
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
        shown("<results>/figures/training.png", "Training curves", "Figures"),
    log:
        "<logs>/plot_training.log",
    benchmark:
        "<benchmarks>/plot_training.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_training"),
        logs=with_names(FIGURE_LABELS, "logs"),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_training --logs {params.logs:q} --output {params.output}"
        " > {log} 2>&1"


rule plot_segmenter_training:
    input:
        logs=segmenter_logs("log.csv"),
        validation=segmenter_logs("validation.csv"),
    output:
        "<results>/figures/segmenter_training.pdf",
        shown(
            "<results>/figures/segmenter_training.png",
            "Training curves of the segmenters",
            "Figures",
        ),
    log:
        "<logs>/plot_segmenter_training.log",
    benchmark:
        "<benchmarks>/plot_segmenter_training.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_segmenter_training"),
        logs=with_names(segmenter_labels(), "logs"),
        validation=with_names(segmenter_labels(), "validation"),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_segmenter_training --logs {params.logs:q}"
        " --validation {params.validation:q} --output {params.output} > {log} 2>&1"


rule plot_accuracy_cost:
    input:
        table=cost_csv,
    output:
        "<results>/figures/accuracy_cost.pdf",
        shown("<results>/figures/accuracy_cost.png", "Accuracy against cost", "Figures"),
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


rule plot_imbalance:
    input:
        data=shown_data,
    output:
        "<results>/figures/figure1.pdf",
        shown("<results>/figures/figure1.png", "Figure 1: spatial imbalance", "Figures"),
    log:
        "<logs>/plot_imbalance.log",
    benchmark:
        "<benchmarks>/plot_imbalance.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_imbalance"),
        data=with_names([DATASETS[name]["label"] for name in SHOWN], "data", index_of),
        law=as_text(law_settings(config)),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_imbalance --data {params.data:q} --law {params.law:q}"
        " --output {params.output} > {log} 2>&1"


rule plot_weight_maps:
    input:
        trained=figure_law,
        data=f"<results>/data/{config['figures']['dataset']}/{SIZE}/meta.json",
    output:
        "<results>/figures/weights.pdf",
        shown("<results>/figures/weights.png", "Figures 3 and 4: LAW's maps", "Figures"),
    log:
        "<logs>/plot_weight_maps.log",
    benchmark:
        "<benchmarks>/plot_weight_maps.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_weight_maps"),
        trained=subpath(input.trained, parent=True),
        data=subpath(input.data, parent=True),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_weight_maps --trained {params.trained} --data {params.data}"
        " --output {params.output} > {log} 2>&1"


rule plot_dice_sets:
    input:
        metrics=score_metrics,
    output:
        "<results>/figures/dice_sets.pdf",
        shown("<results>/figures/dice_sets.png", "Dice by test set", "Figures"),
    log:
        "<logs>/plot_dice_sets.log",
    benchmark:
        "<benchmarks>/plot_dice_sets.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_dice_sets"),
        spec=score_spec,
        dataset=config["figures"]["dataset"],
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_dice_sets --spec {params.spec:q} --dataset {params.dataset}"
        " --output {params.output} > {log} 2>&1"


rule plot_published:
    input:
        tables=files_of_tables(*config["tables"], suffixes=["csv"]),
    output:
        "<results>/figures/published.pdf",
        shown(
            "<results>/figures/published.png", "Measured against published", "Figures"
        ),
    log:
        "<logs>/plot_published.log",
    benchmark:
        "<benchmarks>/plot_published.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_published"),
        tables=with_names(TABLE_NAMES.values(), "tables"),
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.plot_published --tables {params.tables:q}"
        " --output {params.output} > {log} 2>&1"
