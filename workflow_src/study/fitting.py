"""Numbers of a configuration that must fit each other, checked for what is asked for alone."""

from pathlib import Path

from workflow_src.common.errors import InputError
from workflow_src.study.configuration import method_settings
from workflow_src.study.table_specs import mix_of


def check_method(config: dict, name: str) -> None:
    """A method's recipe must fit the autoencoder and the GPUs.

    Raises:
        InputError: if it does not.
    """
    backbone, recipe = config["backbone"], method_settings(config, name)
    levels: int | None = len(backbone["autoencoder"]["widths"])
    if backbone["kind"] == "stable-diffusion":
        levels = 4
    if backbone["kind"] == "small" and (backbone["path"] or backbone["autoencoder"]["path"]):
        levels = None  # known only once the given autoencoder is read
    if levels and len(recipe.hint_channels) != levels:
        raise InputError(
            f"config: synthesis.training.hint_channels has {len(recipe.hint_channels)} entries; "
            f"allowed: {levels}, one per level of the autoencoder"
        )
    asked = config["resources"]["default"] | config["resources"]["train_controlnet"]
    together = recipe.micro_batch * max(asked["gpu"], 1)
    if recipe.batch_size % together:
        on = f" x {asked['gpu']} GPUs (resources.train_controlnet.gpu)" if asked["gpu"] > 1 else ""
        raise InputError(
            f"config: synthesis.methods.{name}: batch_size {recipe.batch_size} is not a multiple "
            f"of micro_batch {recipe.micro_batch}{on}"
        )


def check_backbone(config: dict, dataset: str) -> None:
    """A given small backbone must have a model for the data set.

    Raises:
        InputError: if it has none.
    """
    path = config["backbone"]["path"]
    if path and not Path(path, dataset, "backbone.json").is_file():
        raise InputError(
            f"config: backbone.path is {path!r}, which lacks {dataset}/backbone.json; allowed: a "
            "folder with a small backbone for each data set, or null to train them"
        )


def check_mix(config: dict, name: str) -> None:
    """A mix must hold images, and no more synthetic ones than are made.

    Raises:
        InputError: if it does not.
    """
    mix, per_mask = config["downstream"]["mixes"][name], config["synthesis"]["sampling"]["per_mask"]
    if mix["method"] and mix["ratio"] > per_mask:
        raise InputError(
            f"config: downstream.mixes.{name}.ratio is {mix['ratio']}; allowed: at most "
            f"{per_mask}, which is synthesis.sampling.per_mask"
        )
    if not mix["real_fraction"] and not mix["method"]:
        raise InputError(f"config: downstream.mixes.{name} is empty: set real_fraction or method")
    if mix["found"] is None:
        return
    if mix["method"] not in config["synthesis"]["methods"]:
        raise InputError(
            f"config: downstream.mixes.{name}.found keeps a method's images by their masks, and "
            f"method is {mix['method']}: name one of synthesis.methods"
        )
    judge = config["synthesis"]["faithfulness_model"]
    trained_on = mix_of(judge)
    if trained_on and config["downstream"]["mixes"][trained_on]["found"] is not None:
        raise InputError(
            f"config: downstream.mixes.{name}.found is judged by {judge}, which is trained on "
            "what it would judge: let another model be synthesis.faithfulness_model"
        )
