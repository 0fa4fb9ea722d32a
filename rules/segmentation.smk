# Light segmenters trained and tested; every model scored and its cost counted.


rule train_segmenter:
    input:
        data=segmenter_data,
    output:
        "<results>/models/{dataset}/{light}/seed{seed}/recipe.json",
        "<results>/models/{dataset}/{light}/seed{seed}/model.safetensors",
        "<results>/models/{dataset}/{light}/seed{seed}/log.csv",
        "<results>/models/{dataset}/{light}/seed{seed}/validation.csv",
    log:
        "<logs>/train_segmenter/{dataset}-{light}-{seed}.log",
    benchmark:
        "<benchmarks>/train_segmenter/{dataset}-{light}-{seed}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("train_segmenter", "threads")
    resources:
        mem_mb=growing("train_segmenter", "mem_mb"),
        runtime=growing("train_segmenter", "runtime"),
        gpu=ask("train_segmenter", "gpu"),
    params:
        code=code("train_segmenter", segmenter_members),
        data=subpath(input.data, parent=True),
        output=subpath(output[0], parent=True),
        recipe=segmenter_recipe,
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.train_segmenter --data {params.data:q}"
        " --output {params.output:q}"
        " --recipe {params.recipe:q} --seed {wildcards.seed:q} > {log:q} 2>&1"


rule predict_segmenter:
    input:
        model="<results>/models/{dataset}/{light}/seed{seed}/recipe.json",
        data=segmenter_data,
    output:
        "<results>/predictions/{dataset}/{light}/seed{seed}/predictions.json",
    log:
        "<logs>/predict_segmenter/{dataset}-{light}-{seed}.log",
    benchmark:
        "<benchmarks>/predict_segmenter/{dataset}-{light}-{seed}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("predict_segmenter", "threads")
    resources:
        mem_mb=growing("predict_segmenter", "mem_mb"),
        runtime=growing("predict_segmenter", "runtime"),
        gpu=ask("predict_segmenter", "gpu"),
    params:
        code=code("predict_segmenter", segmenter_members),
        model=subpath(input.model, parent=True),
        data=subpath(input.data, parent=True),
        output=subpath(output[0], parent=True),
        split="test",
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.predict_segmenter --model {params.model:q}"
        " --data {params.data:q}"
        " --output {params.output:q} --split {params.split:q} > {log:q} 2>&1"


rule score_segmentation:
    input:
        data=scored_data,
        predictions="<results>/predictions/{dataset}/{model}/seed{seed}/predictions.json",
        real=scored_data,
    output:
        "<results>/scores/{dataset}/{model}/seed{seed}/metrics.json",
        "<results>/scores/{dataset}/{model}/seed{seed}/metrics.csv",
        "<results>/scores/{dataset}/{model}/seed{seed}/cases.json",
        "<results>/scores/{dataset}/{model}/seed{seed}/cases.csv",
    log:
        "<logs>/score_segmentation/{dataset}-{model}-{seed}.log",
    benchmark:
        "<benchmarks>/score_segmentation/{dataset}-{model}-{seed}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("score_segmentation", "threads")
    resources:
        mem_mb=growing("score_segmentation", "mem_mb"),
        runtime=growing("score_segmentation", "runtime"),
    params:
        code=code("score_segmentation"),
        data=subpath(input.data, parent=True),
        predictions=subpath(input.predictions, parent=True),
        real=subpath(input.real, parent=True),
        output=subpath(output[0], parent=True),
        tolerance=tolerance_option,
    shell:
        "python -m workflow_src.score_segmentation --data {params.data:q}"
        " --predictions {params.predictions:q} --real {params.real:q} --output {params.output:q}"
        " {params.tolerance:q} > {log:q} 2>&1"


rule measure_cost:
    output:
        expand("<results>/cost/{{dataset}}/{light}.json", light=LIGHT_MODELS),
    log:
        "<logs>/measure_cost/{dataset}.log",
    benchmark:
        "<benchmarks>/measure_cost/{dataset}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("measure_cost", "threads")
    resources:
        mem_mb=growing("measure_cost", "mem_mb"),
        runtime=growing("measure_cost", "runtime"),
    params:
        code=code("measure_cost", all_segmenters),
        networks=light_networks,
        outputs=light_costs,
        plan="",
        size=config["segmentation"]["cost_size"],
    shell:
        "python -m workflow_src.measure_cost --networks {params.networks:q}"
        " --outputs {params.outputs:q} {params.plan:q} --size {params.size:q} --timed false"
        " > {log:q} 2>&1"


use rule measure_cost as measure_cost_nnunet with:
    input:
        plan=mix_plan,
    output:
        "<results>/cost/{dataset}/nnunet-{mix}.json",
    log:
        "<logs>/measure_cost_nnunet/{dataset}-{mix}.log",
    benchmark:
        "<benchmarks>/measure_cost_nnunet/{dataset}-{mix}.tsv"
    params:
        code=code("measure_cost"),
        networks=as_text({"nnunet": {"architecture": "nnunet"}}),
        plan=plan_option,
