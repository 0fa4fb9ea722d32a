# Look-ups shared by the rules: paths, recipes, seeds, resources. No rule. Reading this file checks
# the config and the paths in it, reads a cluster's partitions and the code that scripts run, and
# drops a lock left by a dead run.

import json
import sys
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from workflow_src.common.code_hash import code_hash
from workflow_src.study.configuration import (
    method_settings,
    model_settings,
    validated,
)
from workflow_src.study.fitting import check_backbone, check_method, check_mix
from workflow_src.study.registries import RAW_FORMATS, SEGMENTERS, WEIGHTINGS
from workflow_src.study.stability import StabilityLimits
from workflow_src.study.synthesis import (
    AutoencoderRecipe,
    DenoiserRecipe,
    SamplingRecipe,
)
from workflow_src.study.figures import figures_of
from workflow_src.study.table_specs import mix_of, models_of, tables_in_order, target_of
from workflow_src.common.errors import InputError
from workflow_src.common.partitions import (
    ask_for_gpus,
    granted,
    grown,
    of_all_processes,
)
from workflow_src.common.stale_lock import drop_stale_lock
from workflow_src.common.jobs import steer_scripts
from workflow_src.common.yaml_files import read_yaml

steer_scripts(workflow.basedir)
IMAGE = "envs/workflow.sif"
IN_IMAGE = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
SLURM = Path(workflow.basedir) / "slurm"

try:
    CLUSTER = read_yaml(SLURM / "partitions.yaml")
    if workflow.is_main_process:
        ask_for_gpus(CLUSTER["gpus_by"], SLURM / "bin")
        nodes = workflow.resource_settings.nodes  # None without an executor's queue
        call_lock = drop_stale_lock(Path(".snakemake"), here=nodes is None)
        if IN_IMAGE and not Path(IMAGE).is_file():
            raise InputError(
                f"{IMAGE} is missing: apptainer build {IMAGE} envs/apptainer.def"
            )
        # YAML itself loses the first of two keys in silence.
        for file in {*workflow.configfiles, *workflow.overwrite_configfiles}:
            read_yaml(Path(file))
    validated(config)
except InputError as error:
    sys.exit(str(error))

SEEDS = config["seeds"]
DATASETS = config["datasets"]
METHODS = config["synthesis"]["methods"]
MIXES = config["downstream"]["mixes"]
LIGHT_MODELS = sorted(
    config["segmentation"]["models"]
)  # --config changes the order of keys
SIZE = config["synthesis"]["image_size"]
SHARDS = config["synthesis"]["sampling"]["shards"]
PARTITIONS = CLUSTER["partitions"]

TABLES = "<results>/tables/{table}.{suffix}"
SUFFIXES = ["csv", "md", "tex", "json"]
TABLE_NAMES = {target_of(name): name for name in tables_in_order(config)}
FIGURES = figures_of(config)

LATENTS = {
    "small": "<results>/autoencoder/{dataset}/latents/latents.json",
    "stable-diffusion": "<results>/latents/{dataset}/latents.json",
}
BACKBONES = {
    "small": "<results>/backbone/{dataset}/backbone.json",
    "stable-diffusion": "<results>/stable-diffusion/backbone.json",
}
TRAINS_BACKBONE = (
    config["backbone"]["kind"] == "small" and not config["backbone"]["path"]
)
LATENT_CACHE = LATENTS["small" if TRAINS_BACKBONE else "stable-diffusion"]


wildcard_constraints:
    dataset="|".join(DATASETS),
    method="|".join(METHODS),
    mix="|".join(MIXES),
    model="|".join(models_of(config)),
    light="|".join(LIGHT_MODELS),
    seed=r"\d+",
    shard=r"\d+",
    view=r"native|\d+",
    table="|".join(TABLE_NAMES),


def code(script, members=None):
    """Hash of the code that a script runs: a parameter of its rule.

    `members` looks up what the job names in a registry, whose code it runs too.
    """
    step = f"workflow_src.{script}"
    if members is None:
        return code_hash(step)
    return lambda wildcards: code_hash(step, *members(wildcards))


def ask(rule, what):
    """What a rule asks for, such as threads or GPUs."""
    return (
        config["resources"]
        .get(rule, {})
        .get(what, config["resources"]["default"][what])
    )


def growing(rule, what):
    """Memory or run time that grows with every attempt, as far as a partition grants it."""
    limit = granted(PARTITIONS, what, ask(rule, "gpu"))
    asked = of_all_processes(what, ask(rule, what), ask(rule, "gpu"))
    return lambda wildcards, attempt: grown(asked, attempt, limit)


def dataset_setting(*keys):
    """A setting of a data set, as text or JSON."""

    def look_up(wildcards):
        value = DATASETS[wildcards.dataset]
        for key in keys:
            value = value[key]
        return value if isinstance(value, str) else json.dumps(value)

    return look_up


def method_recipe(wildcards):
    """Settings of a ControlNet training, as JSON."""
    return json.dumps(method_settings(config, wildcards.method).differing())


def backbone_of(wildcards):
    """The frozen model under every method: trained, fetched or given."""
    kind, path = config["backbone"]["kind"], config["backbone"]["path"]
    if kind == "small" and path:
        fits(check_backbone, wildcards.dataset)
        return f"{path}/{wildcards.dataset}/backbone.json"
    return BACKBONES[kind].format(dataset=wildcards.dataset)


def method_backbone(wildcards):
    """The frozen model under a method, whose settings must fit it."""
    fits(check_method, wildcards.method)
    return backbone_of(wildcards)


def fits(check, name):
    """Check an entry of the config that a target needs."""
    try:
        check(config, name)
    except InputError as error:
        sys.exit(str(error))


def method_members(wildcards):
    """Where the weightings of a method lie."""
    weightings = method_settings(config, wildcards.method).weightings
    return [WEIGHTINGS[name] for name in weightings]


def light_recipe(model):
    """Settings of a light segmenter."""
    return model_settings(config, model)


def segmenter_members(wildcards):
    """Where the network of a light segmenter lies."""
    return [SEGMENTERS[light_recipe(wildcards.light).architecture]]


def view_of(model):
    """The prepared view that a model is trained and tested on."""
    if mix_of(model):
        return SIZE
    recipe = light_recipe(model)
    return "native" if recipe.fit == "crop" else recipe.image_size


def sampling_recipe(wildcards):
    """Settings of the sampling, as JSON."""
    sampling = config["synthesis"]["sampling"]
    settings = {k: v for k, v in sampling.items() if k != "shards"}
    return json.dumps(SamplingRecipe(**settings).differing())
