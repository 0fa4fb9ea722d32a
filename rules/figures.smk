# The paper's figures, and the curves beside them, from what was trained, sampled and scored. Which
# figures there are, and their titles: study/figures.py.


rule plot_delta_maps:
    input:
        trained=figure_law,
    output:
        pictures("figure8"),
    log:
        "<logs>/plot_delta_maps.log",
    benchmark:
        "<benchmarks>/plot_delta_maps.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("plot_delta_maps"),
        step="plot_delta_maps",
        files=files(trained=folder_of("trained")),
        settings=[],
        output=subpath(output[0], strip_suffix=".pdf"),
    shell:
        "python -m workflow_src.{params.step:q} {params.files:q} {params.settings:q}"
        " --output {params.output:q} > {log:q} 2>&1"


use rule plot_delta_maps as plot_synthesis with:
    input:
        data=f"<results>/data/{FIGURE_DATA}/{SIZE}/meta.json",
        synthetic=figure_synthetic,
    output:
        pictures("figure6"),
    log:
        "<logs>/plot_synthesis.log",
    benchmark:
        "<benchmarks>/plot_synthesis.tsv"
    localrule: True
    params:
        code=code("plot_synthesis"),
        step="plot_synthesis",
        files=files(
            data=folder_of("data"),
            synthetic=with_names(FIGURE_LABELS, "synthetic", folder),
        ),
        names=as_text(FIGURE_LABELS),
        settings=options(examples=config["figures"]["examples"]),


use rule plot_delta_maps as plot_distances with:
    input:
        fidelity=figure_fidelity,
        floors=f"<results>/floors/{FIGURE_DATA}/real_halves.json",
    output:
        pictures("distances"),
    log:
        "<logs>/plot_distances.log",
    benchmark:
        "<benchmarks>/plot_distances.tsv"
    localrule: True
    params:
        code=code("plot_distances"),
        step="plot_distances",
        files=files(fidelity=fidelity_by_label, floors=folder_of("floors")),
        names=as_text(FIGURE_LABELS),


use rule plot_delta_maps as plot_copies with:
    input:
        data=f"<results>/data/{FIGURE_DATA}/{SIZE}/meta.json",
        test=f"<results>/floors/{FIGURE_DATA}/real_test.json",
        synthetic=figure_synthetic,
        fidelity=figure_fidelity,
    output:
        pictures("copies"),
    log:
        "<logs>/plot_copies.log",
    benchmark:
        "<benchmarks>/plot_copies.tsv"
    localrule: True
    params:
        code=code("plot_copies"),
        step="plot_copies",
        files=files(
            data=folder_of("data"),
            test=path_of("test"),
            synthetic=with_names(FIGURE_LABELS, "synthetic", folder),
            fidelity=fidelity_by_label,
        ),
        names=as_text(FIGURE_LABELS),
        settings=options(extractor=copies_extractor(config)),


use rule plot_delta_maps as plot_segmentation with:
    input:
        data=figure_segmenter("<results>/data/{dataset}/{view}/meta.json"),
        predictions=figure_segmenter(
            "<results>/predictions/{dataset}/{model}/seed{seed}/predictions.json"
        ),
        scores=figure_segmenter(
            "<results>/scores/{dataset}/{model}/seed{seed}/metrics.csv"
        ),
    output:
        pictures("figure7"),
    log:
        "<logs>/plot_segmentation.log",
    benchmark:
        "<benchmarks>/plot_segmentation.tsv"
    localrule: True
    params:
        code=code("plot_segmentation"),
        step="plot_segmentation",
        files=files(
            data=folder_of("data"),
            predictions=folder_of("predictions"),
            scores=path_of("scores"),
        ),
        settings=options(label=model_label(config, config["figures"]["segmenter"])),


use rule plot_delta_maps as plot_weight_maps with:
    input:
        trained=figure_law,
        data=f"<results>/data/{FIGURE_DATA}/{SIZE}/meta.json",
    output:
        pictures("weights"),
    log:
        "<logs>/plot_weight_maps.log",
    benchmark:
        "<benchmarks>/plot_weight_maps.tsv"
    localrule: True
    params:
        code=code("plot_weight_maps"),
        step="plot_weight_maps",
        files=files(trained=folder_of("trained"), data=folder_of("data")),


use rule plot_delta_maps as plot_training with:
    input:
        logs=figure_logs,
    output:
        pictures("training"),
    log:
        "<logs>/plot_training.log",
    benchmark:
        "<benchmarks>/plot_training.tsv"
    localrule: True
    params:
        code=code("plot_training"),
        step="plot_training",
        files=files(logs=with_names(FIGURE_LABELS, "logs")),
        names=as_text(FIGURE_LABELS),


use rule plot_delta_maps as plot_segmenter_training with:
    input:
        logs=segmenter_logs("log.csv"),
        validation=segmenter_logs("validation.csv"),
    output:
        pictures("segmenter_training"),
    log:
        "<logs>/plot_segmenter_training.log",
    benchmark:
        "<benchmarks>/plot_segmenter_training.tsv"
    localrule: True
    params:
        code=code("plot_segmenter_training"),
        step="plot_segmenter_training",
        files=files(
            logs=with_names(segmenter_labels(), "logs"),
            validation=with_names(segmenter_labels(), "validation"),
        ),
        names=as_text(segmenter_labels()),


use rule plot_delta_maps as plot_accuracy_cost with:
    input:
        table=cost_csv,
    output:
        pictures("accuracy_cost"),
    log:
        "<logs>/plot_accuracy_cost.log",
    benchmark:
        "<benchmarks>/plot_accuracy_cost.tsv"
    localrule: True
    params:
        code=code("plot_accuracy_cost"),
        step="plot_accuracy_cost",
        files=files(table=path_of("table")),
        settings=options(dataset=FIGURE_DATA),


use rule plot_delta_maps as plot_imbalance with:
    input:
        data=shown_data,
    output:
        pictures("figure1"),
    log:
        "<logs>/plot_imbalance.log",
    benchmark:
        "<benchmarks>/plot_imbalance.tsv"
    localrule: True
    params:
        code=code("plot_imbalance"),
        step="plot_imbalance",
        files=files(data=with_names(DATA_LABELS, "data", index_of)),
        names=as_text(DATA_LABELS),
        settings=options(law=as_text(law_settings(config))),


use rule plot_delta_maps as plot_dice_sets with:
    input:
        metrics=metrics_of(score_table, f"a table of models with dice of {FIGURE_DATA}"),
    output:
        pictures("dice_sets"),
    log:
        "<logs>/plot_dice_sets.log",
    benchmark:
        "<benchmarks>/plot_dice_sets.tsv"
    localrule: True
    params:
        code=code("plot_dice_sets"),
        step="plot_dice_sets",
        files=files(spec=spec_by(score_table)),
        names=shown_by(score_table),
        settings=options(dataset=FIGURE_DATA),


use rule plot_dice_sets as plot_dice_by_size with:
    output:
        pictures("dice_by_size"),
    log:
        "<logs>/plot_dice_by_size.log",
    benchmark:
        "<benchmarks>/plot_dice_by_size.tsv"
    localrule: True
    params:
        code=code("plot_lesion_sizes"),
        step="plot_lesion_sizes",
        settings=options(dataset=FIGURE_DATA, column="dice"),


use rule plot_dice_by_size as plot_mask_dice_by_size with:
    input:
        metrics=metrics_of(
            faithfulness_table,
            f"a table of methods with faithfulness of {FIGURE_DATA}",
        ),
    output:
        pictures("mask_dice_by_size"),
    log:
        "<logs>/plot_mask_dice_by_size.log",
    benchmark:
        "<benchmarks>/plot_mask_dice_by_size.tsv"
    localrule: True
    params:
        files=files(spec=spec_by(faithfulness_table)),
        names=shown_by(faithfulness_table),
        settings=options(dataset=FIGURE_DATA, column="faithfulness"),


use rule plot_dice_sets as plot_fractions with:
    input:
        metrics=metrics_of(
            fraction_table,
            f"a table of mixes with dice of {FIGURE_DATA} that have real images in part",
        ),
    output:
        pictures("fractions"),
    log:
        "<logs>/plot_fractions.log",
    benchmark:
        "<benchmarks>/plot_fractions.tsv"
    localrule: True
    params:
        code=code("plot_fractions"),
        step="plot_fractions",
        files=files(spec=spec_by(fraction_table)),
        names=shown_by(fraction_table),
        settings=options(dataset=FIGURE_DATA, parts=as_text(real_fractions(config))),


use rule plot_delta_maps as plot_published with:
    input:
        tables=files_of_tables(*TABLE_NAMES.values(), suffixes=["csv"]),
    output:
        pictures("published"),
    log:
        "<logs>/plot_published.log",
    benchmark:
        "<benchmarks>/plot_published.tsv"
    localrule: True
    params:
        code=code("plot_published"),
        step="plot_published",
        files=files(tables=with_names(TABLE_NAMES.values(), "tables")),
