# ControlNets by every method, what they sample, and how near that is to real images.


rule train_controlnet:
    input:
        backbone=method_backbone,
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
        latents=LATENT_CACHE,
    output:
        "<results>/controlnet/{dataset}/{method}/seed{seed}/recipe.json",
        "<results>/controlnet/{dataset}/{method}/seed{seed}/log.csv",
    log:
        "<logs>/train_controlnet/{dataset}-{method}-{seed}.log",
    benchmark:
        "<benchmarks>/train_controlnet/{dataset}-{method}-{seed}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("train_controlnet", "threads")
    resources:
        mem_mb=growing("train_controlnet", "mem_mb"),
        runtime=growing("train_controlnet", "runtime"),
        gpu=ask("train_controlnet", "gpu"),
    params:
        code=code("train_controlnet", method_members),
        data=subpath(input.data, parent=True),
        latents=subpath(input.latents, parent=True),
        output=subpath(output[0], parent=True),
        recipe=method_recipe,
        prompt=dataset_setting("prompt"),
        launch=a_process_each,
    shell:
        "{params.launch:q} -m workflow_src.train_controlnet --backbone {input.backbone:q}"
        " --data {params.data:q} --latents {params.latents:q} --output {params.output:q}"
        " --prompt={params.prompt:q} --recipe {params.recipe:q} --seed {wildcards.seed:q}"
        " > {log:q} 2>&1"


rule score_stability:
    input:
        "<results>/controlnet/{dataset}/{method}/seed{seed}/log.csv",
    output:
        "<results>/controlnet/{dataset}/{method}/seed{seed}/stability.json",
    log:
        "<logs>/score_stability/{dataset}-{method}-{seed}.log",
    benchmark:
        "<benchmarks>/score_stability/{dataset}-{method}-{seed}.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("score_stability"),
        limits=differing(StabilityLimits, config["synthesis"]["stability"]),
    shell:
        "python -m workflow_src.score_stability --log {input:q} --output {output:q}"
        " --limits {params.limits:q} > {log:q} 2>&1"


rule sample_controlnet:
    input:
        backbone=backbone_of,
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
        trained="<results>/controlnet/{dataset}/{method}/seed{seed}/recipe.json",
    output:
        "<results>/synthetic/{dataset}/{method}/seed{seed}/shard{shard}/shard.json",
    log:
        "<logs>/sample_controlnet/{dataset}-{method}-{seed}-{shard}.log",
    benchmark:
        "<benchmarks>/sample_controlnet/{dataset}-{method}-{seed}-{shard}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("sample_controlnet", "threads")
    resources:
        mem_mb=growing("sample_controlnet", "mem_mb"),
        runtime=growing("sample_controlnet", "runtime"),
        gpu=ask("sample_controlnet", "gpu"),
    params:
        code=code("sample_controlnet"),
        data=subpath(input.data, parent=True),
        trained=subpath(input.trained, parent=True),
        output=subpath(output[0], parent=True),
        prompt=dataset_setting("prompt"),
        recipe=sampling_recipe,
        shards=SHARDS,
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.sample_controlnet --backbone {input.backbone:q}"
        " --data {params.data:q} --trained {params.trained:q} --output {params.output:q}"
        " --prompt={params.prompt:q} --recipe {params.recipe:q} --seed {wildcards.seed:q}"
        " --shard {wildcards.shard:q} --shards {params.shards:q} > {log:q} 2>&1"


rule gather_samples:
    input:
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
        shards=expand(
            "<results>/synthetic/{{dataset}}/{{method}}/seed{{seed}}/shard{shard}/shard.json",
            shard=range(SHARDS),
        ),
    output:
        "<results>/synthetic/{dataset}/{method}/seed{seed}/set/meta.json",
    log:
        "<logs>/gather_samples/{dataset}-{method}-{seed}.log",
    benchmark:
        "<benchmarks>/gather_samples/{dataset}-{method}-{seed}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("gather_samples", "threads")
    resources:
        mem_mb=growing("gather_samples", "mem_mb"),
        runtime=growing("gather_samples", "runtime"),
    params:
        code=code("gather_samples"),
        data=subpath(input.data, parent=True),
        shards=folders("shards"),
        output=subpath(output[0], parent=True),
    shell:
        "python -m workflow_src.gather_samples --data {params.data:q} --shards {params.shards:q}"
        " --output {params.output:q} --method {wildcards.method:q} > {log:q} 2>&1"


rule fetch_metric_weights:
    output:
        "resources/metrics/{extractor}/{file}",
    log:
        "<logs>/fetch_metric_weights/{extractor}-{file}.log",
    benchmark:
        "<benchmarks>/fetch_metric_weights/{extractor}-{file}.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        url=weights_setting("url"),
        sha256=checksum_option,
    shell:
        "python -m workflow_src.fetch_metric_weights --output {output:q} --url={params.url:q}"
        " {params.sha256:q} > {log:q} 2>&1"


rule extract_features:
    input:
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
        weights=EXTRACTOR_WEIGHTS,
    output:
        "<results>/features/{dataset}/features.json",
    log:
        "<logs>/extract_features/{dataset}.log",
    benchmark:
        "<benchmarks>/extract_features/{dataset}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("extract_features", "threads")
    resources:
        mem_mb=growing("extract_features", "mem_mb"),
        runtime=growing("extract_features", "runtime"),
        gpu=ask("extract_features", "gpu"),
    params:
        code=code("extract_features", extractor_members),
        data=subpath(input.data, parent=True),
        output=subpath(output[0], parent=True),
        extractors=as_text(extractors_of(config)),
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.extract_features --data {params.data:q}"
        " --output {params.output:q}"
        " --extractors {params.extractors:q} > {log:q} 2>&1"


rule score_floors:
    input:
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
        features="<results>/features/{dataset}/features.json",
    output:
        "<results>/floors/{dataset}/real_halves.json",
        "<results>/floors/{dataset}/real_test.json",
    log:
        "<logs>/score_floors/{dataset}.log",
    benchmark:
        "<benchmarks>/score_floors/{dataset}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("score_floors", "threads")
    resources:
        mem_mb=growing("score_floors", "mem_mb"),
        runtime=growing("score_floors", "runtime"),
    params:
        code=code("score_floors"),
        data=subpath(input.data, parent=True),
        features=subpath(input.features, parent=True),
        output=subpath(output[0], parent=True),
        per_mask=config["synthesis"]["sampling"]["per_mask"],
    shell:
        "python -m workflow_src.score_floors --data {params.data:q} --features {params.features:q}"
        " --output {params.output:q} --per_mask {params.per_mask:q} > {log:q} 2>&1"


rule score_fidelity:
    input:
        data="<results>/synthetic/{dataset}/{method}/seed{seed}/set/meta.json",
        real=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
        features="<results>/features/{dataset}/features.json",
        floors="<results>/floors/{dataset}/real_halves.json",
        weights=EXTRACTOR_WEIGHTS,
    output:
        "<results>/synthetic/{dataset}/{method}/seed{seed}/fidelity.json",
    log:
        "<logs>/score_fidelity/{dataset}-{method}-{seed}.log",
    benchmark:
        "<benchmarks>/score_fidelity/{dataset}-{method}-{seed}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("score_fidelity", "threads")
    resources:
        mem_mb=growing("score_fidelity", "mem_mb"),
        runtime=growing("score_fidelity", "runtime"),
        gpu=ask("score_fidelity", "gpu"),
    params:
        code=code("score_fidelity", extractor_members),
        data=subpath(input.data, parent=True),
        real=subpath(input.real, parent=True),
        features=subpath(input.features, parent=True),
        floors=subpath(input.floors, parent=True),
        extractors=as_text(extractors_of(config)),
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.score_fidelity --data {params.data:q}"
        " --real {params.real:q}"
        " --features {params.features:q} --floors {params.floors:q} --output {output:q}"
        " --extractors {params.extractors:q} > {log:q} 2>&1"
