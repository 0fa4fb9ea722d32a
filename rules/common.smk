# Look-ups shared by the rules: paths, recipes, seeds, resources. No rule. Reading this file checks the
# config and the paths in it, drops a lock left by a dead run, and reads the code that scripts run.

import json
import sys
from pathlib import Path

from workflow_src.closure import code_hash
from workflow_src.configuration import models_of, resolve, validated
from workflow_src.data.inventory import inventory
from workflow_src.downstream.recipes import CONTROL
from workflow_src.errors import InputError
from workflow_src.paper.protocol import reduced_costs, table_remarks
from workflow_src.paper.shown import delta_method, law_settings
from workflow_src.paper.specs import (
    cost_files,
    label_of,
    metrics_pattern,
    spec_of,
    table_kinds,
)
from workflow_src.stale_lock import drop_stale_lock
from workflow_src.steering import steer_scripts

steer_scripts(workflow.basedir)
if workflow.is_main_process:
    nodes = workflow.resource_settings.nodes  # None without an executor's queue
    call_lock = drop_stale_lock(Path(".snakemake"), here=nodes is None)

try:
    validated(config)
except InputError as error:
    sys.exit(str(error))

SEEDS = config["seeds"]
DATASETS = config["datasets"]
METHODS = config["synthesis"]["methods"]
MIXES = config["downstream"]["mixes"]
LIGHT_MODELS = config["segmentation"]["models"]
SIZE = config["synthesis"]["image_size"]
SHARDS = config["synthesis"]["sampling"]["shards"]

TABLES = "<results>/tables/table{number}.{suffix}"
SUFFIXES = ["csv", "md", "tex", "json"]
FIGURES = [
    "figure1",
    "weights",
    "figure6",
    "figure7",
    "figure8",
    "training",
    "segmenter_training",
    "accuracy_cost",
    "dice_sets",
    "published",
]

LATENTS = {
    "small": "<results>/autoencoder/{dataset}/latents/latents.json",
    "stable-diffusion": "<results>/latents/{dataset}/latents.json",
}
BACKBONES = {
    "small": "<results>/backbone/{dataset}/backbone.json",
    "stable-diffusion": "<results>/stable-diffusion/backbone.json",
}
LATENT_CACHE = LATENTS[config["backbone"]["kind"]]
BACKBONE = BACKBONES[config["backbone"]["kind"]]


wildcard_constraints:
    dataset="|".join(DATASETS),
    method="|".join(METHODS),
    mix="|".join(MIXES),
    model="|".join(models_of(config)),
    light="|".join(LIGHT_MODELS),
    seed=r"\d+",
    shard=r"\d+",
    view=r"native|\d+",
    number=r"[1-6]",


def code(script):
    """Hash of the code that a script runs: a parameter of its rule."""
    return code_hash(f"workflow_src.{script}")


def ask(rule, what):
    """What a rule asks for, such as threads or GPUs."""
    return (
        config["resources"]
        .get(rule, {})
        .get(what, config["resources"]["default"][what])
    )


def growing(rule, what):
    """Memory or run time that grows with every attempt."""
    return lambda wildcards, attempt: ask(rule, what) * attempt


def source_of(dataset):
    """Where a raw set comes from: phantom, local or download."""
    settings = DATASETS[dataset]
    if settings["phantom"]:
        return "phantom"
    return "local" if settings["root"] else "download"


def datasets_from(source, kind=""):
    """Regular expression of the data sets that come from a source."""
    names = [
        name
        for name in DATASETS
        if source_of(name) == source and kind in DATASETS[name]["reading"]["format"]
    ]
    return "|".join(names) or "none"


def raw_marker(wildcards):
    """The file that says a raw set is there."""
    if source_of(wildcards.dataset) == "download":
        return f"data/{wildcards.dataset}/source.json"
    return f"<results>/raw/{wildcards.dataset}/source.json"


def raw_root(wildcards, input):
    """The folder of a raw set."""
    return DATASETS[wildcards.dataset]["root"] or str(Path(input.raw).parent)


def local_root(wildcards):
    """The folder of a raw set of the user's own."""
    return DATASETS[wildcards.dataset]["root"]


def fingerprint(wildcards):
    """Names and sizes of the user's own files: a changed one is prepared again."""
    return inventory(local_root(wildcards))["fingerprint"]


def dataset_setting(*keys):
    """A setting of a data set, as text or JSON."""

    def look_up(wildcards):
        value = DATASETS[wildcards.dataset]
        for key in keys:
            value = value[key]
        return value if isinstance(value, str) else json.dumps(value)

    return look_up


def download_setting(key):
    """Where a data set is fetched from."""
    return dataset_setting("download", key)


def size_option(wildcards):
    """The side length of a prepared view; native views have none."""
    return "" if wildcards.view == "native" else f"--size {wildcards.view}"


def method_recipe(wildcards):
    """Settings of a ControlNet training, as JSON."""
    return json.dumps(resolve(config["synthesis"], "methods", wildcards.method))


def light_recipe(model):
    """Settings of a light segmenter."""
    return resolve(config["segmentation"], "models", model)


def segmenter_recipe(wildcards):
    """Settings of a light segmenter's training, as JSON."""
    return json.dumps(light_recipe(wildcards.light))


def view_of(model):
    """The prepared view that a model is trained and tested on."""
    if model.startswith("nnunet-"):
        return SIZE
    recipe = light_recipe(model)
    return "native" if recipe["fit"] == "crop" else recipe["image_size"]


def segmenter_data(wildcards):
    """The prepared set of a light segmenter."""
    view = view_of(wildcards.light)
    return f"<results>/data/{wildcards.dataset}/{view}/meta.json"


def scored_data(wildcards):
    """The prepared set that a model was tested on."""
    return f"<results>/data/{wildcards.dataset}/{view_of(wildcards.model)}/meta.json"


def mix_synthetic(wildcards):
    """The synthetic cases of a mix, if it has any."""
    method = MIXES[wildcards.mix].get("method")
    if not method:
        return []
    return f"<results>/nnunet/{wildcards.dataset}/synthetic/{method}/seed{wildcards.seed}/cases.json"


def mix_option(wildcards, input):
    """The folder of a mix's synthetic cases, as an option."""
    cases = input.get("synthetic")
    return f"--synthetic {Path(cases).parent}" if cases else ""


def mix_recipe(wildcards):
    """What a mix is made of, as JSON."""
    return json.dumps({k: v for k, v in MIXES[wildcards.mix].items() if k != "label"})


def nnunet_recipe(wildcards):
    """Settings of nnU-Net's training, as JSON."""
    return json.dumps(config["downstream"]["training"])


def network_option(wildcards):
    """A network in place of the one that nnU-Net plans, as an option."""
    network = config["downstream"]["training"].get("network")
    return f"--network '{json.dumps(network)}'" if network else ""


def launcher(rule):
    """How a script is started: on several GPUs by accelerate, a process each."""
    gpus = ask(rule, "gpu")
    if gpus < 2:
        return "python"
    return f"accelerate launch --multi_gpu --num_processes {gpus} --mixed_precision no"


def sampling_recipe(wildcards):
    """Settings of the sampling, as JSON."""
    sampling = config["synthesis"]["sampling"]
    return json.dumps({k: v for k, v in sampling.items() if k != "shards"})


def folders(name):
    """The folders of an input's files, as JSON."""
    return lambda wildcards, input: json.dumps(
        [str(Path(f).parent) for f in input[name]]
    )


def as_json(name):
    """An input's files, as JSON."""
    return lambda wildcards, input: json.dumps(list(input[name]))


def weights_setting(key):
    """Where a file of metric weights is fetched from, and its checksum."""

    def look_up(wildcards):
        by_name = {
            Path(w["url"]).name: w for w in config["metrics"].values() if "url" in w
        }
        return by_name[wildcards.file][key]

    return look_up


def metric_weights(kind):
    """The file of a feature extractor's weights: nothing for the stand-in."""
    path = config["metrics"][kind]["path"]
    if path == "stand-in":
        return []
    return path or f"resources/metrics/{Path(config['metrics'][kind]['url']).name}"


def metric_option(kind):
    """A feature extractor's weights, as the scripts take them."""
    return lambda wildcards, input: input.get(kind) or "stand-in"


def as_text(value):
    """A setting as JSON; a function, since braces in a plain text would be wildcards."""
    return lambda wildcards: json.dumps(value)


def faithfulness_predictions(wildcards):
    """Predictions of the faithfulness model on a method's images."""
    model = config["synthesis"]["faithfulness_model"]
    place = f"{wildcards.dataset}/{wildcards.method}/seed{wildcards.seed}"
    return f"<results>/faithfulness/{place}/{model}/predictions.json"


def cost_plan(wildcards):
    """nnU-Net's plan, where the model is one."""
    if wildcards.model.startswith("nnunet-"):
        return f"<results>/nnunet/{wildcards.dataset}/plan/plan.json"
    return []


def cost_options(wildcards, input):
    """What measure_cost needs to build a model."""
    if wildcards.model.startswith("nnunet-"):
        return f"--model nnunet --plan {Path(input.plan).parent}"
    recipe = light_recipe(wildcards.model)
    options = json.dumps(recipe.get("options", {}))
    return f"--model {recipe['architecture']} --options '{options}'"


def metrics_of(number):
    """Every metrics file that a table is made from."""
    table = config["tables"][number]
    return [
        file
        for kind in table_kinds(config, number)
        for file in expand(
            metrics_pattern(kind, number),
            row=table["rows"],
            dataset=table["datasets"],
            seed=SEEDS,
        )
    ]


def table_metrics(wildcards):
    """The metrics files of the table that a rule makes."""
    return metrics_of(wildcards.number)


def table_spec(wildcards):
    """Rows, columns and places of the table that a rule makes, as JSON."""
    return json.dumps(spec_of(config, wildcards.number), ensure_ascii=False)


def protocol_remarks(wildcards):
    """The protocol of the table that a rule makes, for its notes, as JSON."""
    return json.dumps(table_remarks(config, wildcards.number), ensure_ascii=False)


def figure_synthetic(wildcards):
    """Synthetic sets of Figure 6."""
    figures = config["figures"]
    return expand(
        "<results>/synthetic/{dataset}/{method}/seed{seed}/set/meta.json",
        dataset=figures["dataset"],
        method=figures["methods"],
        seed=SEEDS[0],
    )


def figure_logs(wildcards):
    """Training logs of the compared methods."""
    figures = config["figures"]
    return expand(
        "<results>/controlnet/{dataset}/{method}/seed{seed}/log.csv",
        dataset=figures["dataset"],
        method=figures["methods"],
        seed=SEEDS[0],
    )


def figure_segmenter(pattern):
    """A file of Figure 7's segmenter."""
    figures = config["figures"]
    return expand(
        pattern,
        dataset=figures["dataset"],
        model=figures["segmenter"],
        view=view_of(figures["segmenter"]),
        seed=SEEDS[0],
    )[0]


def shown_segmenters():
    """The light segmenters of Table 3."""
    return [row for row in config["tables"]["3"]["rows"] if row in LIGHT_MODELS]


def segmenter_logs(name):
    """A log of each of their trainings."""
    return expand(
        f"<results>/models/{{dataset}}/{{light}}/seed{{seed}}/{name}",
        dataset=config["figures"]["dataset"],
        light=shown_segmenters(),
        seed=SEEDS[0],
    )


def figure_law():
    """The training whose delta maps Figure 8 shows."""
    place = f"{config['figures']['dataset']}/{delta_method(config)}/seed{SEEDS[0]}"
    return f"<results>/controlnet/{place}/recipe.json"
