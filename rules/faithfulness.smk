# How well synthetic images follow their masks: what models of real images find in them.


use rule predict_segmenter as predict_synthetic_segmenter with:
    input:
        model="<results>/models/{dataset}/{light}/seed{seed}/recipe.json",
        data="<results>/synthetic/{dataset}/{method}/seed{seed}/set/meta.json",
    output:
        "<results>/faithfulness/{dataset}/{method}/seed{seed}/{light}/predictions.json",
    log:
        "<logs>/predict_synthetic/{dataset}-{method}-{light}-{seed}.log",
    benchmark:
        "<benchmarks>/predict_synthetic/{dataset}-{method}-{light}-{seed}.tsv"
    params:
        split="train",


use rule predict_nnunet as predict_synthetic_nnunet with:
    input:
        model="<results>/models/{dataset}/nnunet-{mix}/seed{seed}/recipe.json",
        data="<results>/synthetic/{dataset}/{method}/seed{seed}/set/meta.json",
    output:
        "<results>/faithfulness/{dataset}/{method}/seed{seed}/nnunet-{mix}/predictions.json",
    log:
        "<logs>/predict_synthetic/{dataset}-{method}-nnunet-{mix}-{seed}.log",
    benchmark:
        "<benchmarks>/predict_synthetic/{dataset}-{method}-nnunet-{mix}-{seed}.tsv"
    params:
        split="train",


use rule score_segmentation as score_faithfulness with:
    input:
        data="<results>/synthetic/{dataset}/{method}/seed{seed}/set/meta.json",
        predictions=faithfulness_predictions,
        real=f"<results>/data/{{dataset}}/{SIZE}/meta.json",
    output:
        "<results>/faithfulness/{dataset}/{method}/seed{seed}/metrics.json",
        "<results>/faithfulness/{dataset}/{method}/seed{seed}/metrics.csv",
    log:
        "<logs>/score_faithfulness/{dataset}-{method}-{seed}.log",
    benchmark:
        "<benchmarks>/score_faithfulness/{dataset}-{method}-{seed}.tsv"
    params:
        tolerance="",
