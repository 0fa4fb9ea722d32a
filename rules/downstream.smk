# nnU-Net, planned once on real images, trained on real images and on mixes with synthetic ones.

from workflow_src.study.downstream import CONTROL


rule plan_nnunet:
    input:
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
    output:
        "<results>/nnunet/{dataset}/plan/plan.json",
    log:
        "<logs>/plan_nnunet/{dataset}.log",
    benchmark:
        "<benchmarks>/plan_nnunet/{dataset}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("plan_nnunet", "threads")
    resources:
        mem_mb=growing("plan_nnunet", "mem_mb"),
        runtime=growing("plan_nnunet", "runtime"),
    params:
        code=code("plan_nnunet"),
        data=subpath(input.data, parent=True),
        output=subpath(output[0], parent=True),
        lesion=dataset_setting("lesion"),
        network=network_option,
    shell:
        "python -m workflow_src.plan_nnunet --data {params.data:q} --output {params.output:q}"
        " --lesion {params.lesion:q} {params.network:q} --threads {threads:q} > {log:q} 2>&1"


rule plan_resenc:
    input:
        plan="<results>/nnunet/{dataset}/plan/plan.json",
    output:
        "<results>/nnunet/{dataset}/resenc_{preset}/plan.json",
    log:
        "<logs>/plan_resenc/{dataset}-{preset}.log",
    benchmark:
        "<benchmarks>/plan_resenc/{dataset}-{preset}.tsv"
    wildcard_constraints:
        preset="m|l|xl",
    conda:
        "../envs/workflow.yaml"
    threads: ask("plan_resenc", "threads")
    resources:
        mem_mb=growing("plan_resenc", "mem_mb"),
        runtime=growing("plan_resenc", "runtime"),
    params:
        code=code("plan_resenc"),
        plan=subpath(input.plan, parent=True),
        output=subpath(output[0], parent=True),
        network=network_option,
    shell:
        "python -m workflow_src.plan_resenc --plan {params.plan:q} --output {params.output:q}"
        " --preset {wildcards.preset:q} {params.network:q} > {log:q} 2>&1"


rule augment_real:
    input:
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
    output:
        f"<results>/synthetic/{{dataset}}/{CONTROL}/seed{{seed}}/set/meta.json",
    log:
        "<logs>/augment_real/{dataset}-{seed}.log",
    benchmark:
        "<benchmarks>/augment_real/{dataset}-{seed}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("augment_real", "threads")
    resources:
        mem_mb=growing("augment_real", "mem_mb"),
        runtime=growing("augment_real", "runtime"),
    params:
        code=code("augment_real"),
        data=subpath(input.data, parent=True),
        output=subpath(output[0], parent=True),
        per_mask=config["synthesis"]["sampling"]["per_mask"],
        masks=config["synthesis"]["sampling"]["masks"],
    shell:
        "python -m workflow_src.augment_real --data {params.data:q} --output {params.output:q}"
        " --per_mask {params.per_mask:q} --masks {params.masks:q} --seed {wildcards.seed:q}"
        " > {log:q} 2>&1"


rule preprocess_synthetic:
    input:
        data="<results>/synthetic/{dataset}/{method}/seed{seed}/set/meta.json",
        plan="<results>/nnunet/{dataset}/plan/plan.json",
    output:
        "<results>/nnunet/{dataset}/synthetic/{method}/seed{seed}/cases.json",
    log:
        "<logs>/preprocess_synthetic/{dataset}-{method}-{seed}.log",
    benchmark:
        "<benchmarks>/preprocess_synthetic/{dataset}-{method}-{seed}.tsv"
    wildcard_constraints:
        method="|".join([*METHODS, CONTROL]),
    conda:
        "../envs/workflow.yaml"
    threads: ask("preprocess_synthetic", "threads")
    resources:
        mem_mb=growing("preprocess_synthetic", "mem_mb"),
        runtime=growing("preprocess_synthetic", "runtime"),
    params:
        code=code("preprocess_synthetic"),
        data=subpath(input.data, parent=True),
        plan=subpath(input.plan, parent=True),
        output=subpath(output[0], parent=True),
    shell:
        "python -m workflow_src.preprocess_synthetic --data {params.data:q} --plan {params.plan:q}"
        " --output {params.output:q} --threads {threads:q} > {log:q} 2>&1"


rule train_nnunet:
    input:
        plan="<results>/nnunet/{dataset}/plan/plan.json",
        synthetic=mix_synthetic,
        resenc=mix_preset,
        judged=mix_judged,
    output:
        "<results>/models/{dataset}/nnunet-{mix}/seed{seed}/recipe.json",
    log:
        "<logs>/train_nnunet/{dataset}-{mix}-{seed}.log",
    benchmark:
        "<benchmarks>/train_nnunet/{dataset}-{mix}-{seed}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("train_nnunet", "threads")
    resources:
        mem_mb=growing("train_nnunet", "mem_mb"),
        runtime=growing("train_nnunet", "runtime"),
        gpu=ask("train_nnunet", "gpu"),
    params:
        code=code("train_nnunet"),
        trainer=code("downstream.trainer.nnUNetTrainerWorkflow"),
        plan=subpath(input.plan, parent=True),
        output=subpath(output[0], parent=True),
        mix=mix_recipe,
        sources=mix_options,
        recipe=nnunet_recipe,
        gpus=max(ask("train_nnunet", "gpu"), 1),
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.train_nnunet --plan {params.plan:q}"
        " --output {params.output:q} --mix {params.mix:q} {params.sources:q}"
        " --recipe {params.recipe:q}"
        " --seed {wildcards.seed:q} --threads {threads:q} --gpus {params.gpus:q} > {log:q} 2>&1"


rule predict_nnunet:
    input:
        model="<results>/models/{dataset}/nnunet-{mix}/seed{seed}/recipe.json",
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
    output:
        "<results>/predictions/{dataset}/nnunet-{mix}/seed{seed}/predictions.json",
    log:
        "<logs>/predict_nnunet/{dataset}-{mix}-{seed}.log",
    benchmark:
        "<benchmarks>/predict_nnunet/{dataset}-{mix}-{seed}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("predict_nnunet", "threads")
    resources:
        mem_mb=growing("predict_nnunet", "mem_mb"),
        runtime=growing("predict_nnunet", "runtime"),
        gpu=ask("predict_nnunet", "gpu"),
    params:
        code=code("predict_nnunet"),
        model=subpath(input.model, parent=True),
        data=subpath(input.data, parent=True),
        output=subpath(output[0], parent=True),
        split="test",
        mirror=as_text(config["downstream"]["training"]["mirror"]),
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.predict_nnunet --model {params.model:q}"
        " --data {params.data:q}"
        " --output {params.output:q} --split {params.split:q} --mirror {params.mirror:q}"
        " > {log:q} 2>&1"
