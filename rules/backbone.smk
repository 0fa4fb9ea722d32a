# The frozen latent-diffusion model: Stable Diffusion 1.5, or a small one trained here; its latents.


rule fetch_stable_diffusion:
    output:
        "<results>/stable-diffusion/backbone.json",
    log:
        "<logs>/fetch_stable_diffusion.log",
    benchmark:
        "<benchmarks>/fetch_stable_diffusion.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        repository=as_given(config["backbone"]["repository"]),
        revision=config["backbone"]["revision"],
        sha256=as_text(config["backbone"]["sha256"]),
        path=options(path=config["backbone"]["path"]),
        fingerprint=fingerprint(config["backbone"]["path"]),
    shell:
        "python -m workflow_src.fetch_stable_diffusion --output {output:q}"
        " --repository={params.repository:q} --revision {params.revision:q}"
        " --sha256 {params.sha256:q} {params.path:q} > {log:q} 2>&1"


rule train_autoencoder:
    input:
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
    output:
        "<results>/autoencoder/{dataset}/recipe.json",
    log:
        "<logs>/train_autoencoder/{dataset}.log",
    benchmark:
        "<benchmarks>/train_autoencoder/{dataset}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("train_autoencoder", "threads")
    resources:
        mem_mb=growing("train_autoencoder", "mem_mb"),
        runtime=growing("train_autoencoder", "runtime"),
        gpu=ask("train_autoencoder", "gpu"),
    params:
        code=code("train_autoencoder"),
        data=subpath(input.data, parent=True),
        output=subpath(output[0], parent=True),
        recipe=differing(AutoencoderRecipe, config["backbone"]["autoencoder"]),
        fingerprint=fingerprint(config["backbone"]["autoencoder"]["path"]),
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.train_autoencoder --data {params.data:q}"
        " --output {params.output:q}"
        " --recipe {params.recipe:q} > {log:q} 2>&1"


rule cache_latents:
    input:
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
        backbone=backbone_of,
    output:
        LATENTS["stable-diffusion"],
    log:
        "<logs>/cache_latents/{dataset}.log",
    benchmark:
        "<benchmarks>/cache_latents/{dataset}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("cache_latents", "threads")
    resources:
        mem_mb=growing("cache_latents", "mem_mb"),
        runtime=growing("cache_latents", "runtime"),
        gpu=ask("cache_latents", "gpu"),
    params:
        code=code("cache_latents"),
        data=subpath(input.data, parent=True),
        output=subpath(output[0], parent=True),
        prompt=dataset_setting("prompt"),
        encoder=files(backbone=path_of("backbone")),
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.cache_latents --data {params.data:q}"
        " --output {params.output:q}"
        " {params.encoder:q} --prompt={params.prompt:q} > {log:q} 2>&1"


use rule cache_latents as cache_autoencoder_latents with:
    input:
        data=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
        autoencoder="<results>/autoencoder/{dataset}/recipe.json",
    output:
        LATENTS["small"],
    log:
        "<logs>/cache_autoencoder_latents/{dataset}.log",
    benchmark:
        "<benchmarks>/cache_autoencoder_latents/{dataset}.tsv"
    params:
        encoder=files(autoencoder=folder_of("autoencoder")),


rule train_denoiser:
    input:
        autoencoder="<results>/autoencoder/{dataset}/recipe.json",
        latents=LATENTS["small"],
    output:
        BACKBONES["small"],
    log:
        "<logs>/train_denoiser/{dataset}.log",
    benchmark:
        "<benchmarks>/train_denoiser/{dataset}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("train_denoiser", "threads")
    resources:
        mem_mb=growing("train_denoiser", "mem_mb"),
        runtime=growing("train_denoiser", "runtime"),
        gpu=ask("train_denoiser", "gpu"),
    params:
        code=code("train_denoiser"),
        autoencoder=subpath(input.autoencoder, parent=True),
        latents=subpath(input.latents, parent=True),
        output=subpath(output[0], parent=True),
        recipe=differing(DenoiserRecipe, config["backbone"]["denoiser"]),
        launch=on_gpus,
    shell:
        "{params.launch:q} -m workflow_src.train_denoiser --autoencoder {params.autoencoder:q}"
        " --latents {params.latents:q} --output {params.output:q} --recipe {params.recipe:q}"
        " > {log:q} 2>&1"
