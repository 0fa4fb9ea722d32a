# Raw sets, fetched, drawn or your own, and the prepared sets made from them.


rule make_phantoms:
    output:
        "<results>/raw/{dataset}/source.json",
    log:
        "<logs>/make_phantoms/{dataset}.log",
    benchmark:
        "<benchmarks>/make_phantoms/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_from("phantom"),
    conda:
        "../envs/workflow.yaml"
    threads: ask("make_phantoms", "threads")
    resources:
        mem_mb=growing("make_phantoms", "mem_mb"),
        runtime=growing("make_phantoms", "runtime"),
    params:
        code=code("make_phantoms"),
        output=subpath(output[0], parent=True),
        phantom=phantom_of,
    shell:
        "python -m workflow_src.make_phantoms --output {params.output:q}"
        " --phantom {params.phantom:q} > {log:q} 2>&1"


rule fetch_polyps:
    output:
        "data/{dataset}/source.json",
    log:
        "<logs>/fetch_polyps/{dataset}.log",
    benchmark:
        "<benchmarks>/fetch_polyps/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_from("download", "photographs"),
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        step="fetch_polyps",
        output=subpath(output[0], parent=True),
        options=options(
            archives=download_setting("archives"), sha256=download_setting("sha256")
        ),
    shell:
        "python -m workflow_src.{params.step:q}"
        " --output {params.output:q} {params.options:q} > {log:q} 2>&1"


use rule fetch_polyps as fetch_kits19 with:
    input:
        labels=label_checksums,
    log:
        "<logs>/fetch_kits19/{dataset}.log",
    benchmark:
        "<benchmarks>/fetch_kits19/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_from("download", "kits19"),
    localrule: True
    params:
        step="fetch_kits19",
        options=options(
            imaging_repository=download_setting("imaging_repository"),
            imaging_revision=download_setting("imaging_revision"),
            labels_url=download_setting("labels_url"),
            labels_sha256=label_checksums,
        ),


rule locate_raw:
    output:
        "<results>/raw/{dataset}/source.json",
    log:
        "<logs>/locate_raw/{dataset}.log",
    benchmark:
        "<benchmarks>/locate_raw/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_from("local"),
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code("locate_raw"),
        root=local_root,
        fingerprint=fingerprint(local_root),
    shell:
        "python -m workflow_src.locate_raw --root={params.root:q} --output {output:q}"
        " > {log:q} 2>&1"


rule prepare_data:
    input:
        raw=raw_marker,
        cases=case_table,
    output:
        "<results>/data/{dataset}/{view}/meta.json",
    log:
        "<logs>/prepare_data/{dataset}-{view}.log",
    benchmark:
        "<benchmarks>/prepare_data/{dataset}-{view}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: ask("prepare_data", "threads")
    resources:
        mem_mb=growing("prepare_data", "mem_mb"),
        runtime=growing("prepare_data", "runtime"),
    params:
        code=code("prepare_data", raw_members),
        root=raw_root,
        output=subpath(output[0], parent=True),
        reading=reading_of,
        size=size_option,
    shell:
        "python -m workflow_src.prepare_data --root={params.root:q} --output {params.output:q}"
        " --reading {params.reading:q} {params.size:q} --threads {threads:q} > {log:q} 2>&1"
