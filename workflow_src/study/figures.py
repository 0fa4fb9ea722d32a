"""The figures: their names and titles, which of them a study has, and what they show of it.

Pure look-ups in the config. Only the rules use this, so that no script's hash of its code depends
on it.
"""

from workflow_src.study.columns import all_columns
from workflow_src.study.configuration import method_settings
from workflow_src.study.synthesis import ControlNetRecipe
from workflow_src.study.table_specs import table_showing, tables_in_order

# By name, in the report's order; a figure's caption is paper/captions/<name>.rst.
FIGURES = {
    "figure1": "Figure 1: spatial imbalance",
    "weights": "Figures 3 and 4: LAW's maps",
    "figure6": "Figure 6: synthesis",
    "distances": "Distances beside those between real images",
    "copies": "Synthetic images closest to training images",
    "figure7": "Figure 7: segmentation",
    "figure8": "Figure 8: delta maps over training",
    "training": "Training curves",
    "segmenter_training": "Training curves of the segmenters",
    "accuracy_cost": "Accuracy against cost",
    "dice_sets": "Dice by test set",
    "dice_by_size": "Dice by lesion size",
    "mask_dice_by_size": "Mask Dice by lesion size",
    "fractions": "Dice by part of the real images",
    "published": "Measured against published",
}


def figures_of(config: dict) -> list[str]:
    """The figures that a study can draw: all but those whose method or table it does not have."""
    lacking: set[str] = set()
    if delta_method(config) is None:
        lacking |= {"weights", "figure8"}
    if cost_table(config) is None:
        lacking.add("accuracy_cost")
    if score_table(config) is None:
        lacking |= {"dice_sets", "dice_by_size"}
    shown = {name for table in config["tables"].values() for name in table["datasets"]}
    if all(config["datasets"][name]["phantom"] for name in shown):
        lacking.add("published")  # phantoms are compared with nothing of the paper's
    if fraction_table(config) is None:
        lacking.add("fractions")
    if faithfulness_table(config) is None:
        lacking.add("mask_dice_by_size")
    if not shown_segmenters(config):
        lacking.add("segmenter_training")
    return [name for name in FIGURES if name not in lacking]


def delta_method(config: dict) -> str | None:
    """The method whose delta maps are shown: LAW, or the last that has any; None if none has."""
    methods = [
        name
        for name in config["synthesis"]["methods"]
        if method_settings(config, name).weighting == "law"
    ]
    return "law" if "law" in methods else next(reversed(methods), None)


def law_settings(config: dict) -> dict[str, float]:
    """LAW's gamma and bounds, as the first method by LAW that clamps has them; else the defaults.

    Only what differs from the defaults is named.
    """
    recipes = (method_settings(config, name) for name in config["synthesis"]["methods"])
    clamped = (recipe for recipe in recipes if recipe.weighting == "law" and recipe.clamp)
    law = next(clamped, ControlNetRecipe()).differing()
    return {key: law[key] for key in ("gamma", "w_min", "w_max") if key in law}


def copies_extractor(config: dict) -> str:
    """By whose features copies are shown: the first in use whose copies any table has, or the first
    of all."""
    shown = {name for table in config["tables"].values() for name in all_columns(table)}
    used = config["metrics"]["use"]
    return next((name for name in used if f"copies_{name}" in shown), used[0])


def cost_table(config: dict) -> str | None:
    """The table that accuracy against cost is drawn from; None if no table shows both."""
    columns = ("parameters", "gflops", "dice")
    return table_showing(config, "models", config["figures"]["dataset"], *columns)


def score_table(config: dict) -> str | None:
    """The table whose models' Dice and training curves are drawn; None if no table shows Dice."""
    return table_showing(config, "models", config["figures"]["dataset"], "dice")


def faithfulness_table(config: dict) -> str | None:
    """The table whose methods' mask Dice is drawn; None if no table shows it."""
    return table_showing(config, "methods", config["figures"]["dataset"], "faithfulness")


def fraction_table(config: dict) -> str | None:
    """The first table of mixes with Dice that have the real images in part; None if none has."""
    mixes, dataset = config["downstream"]["mixes"], config["figures"]["dataset"]
    for name in tables_in_order(config):
        table = config["tables"][name]
        if table["of"] != "mixes" or dataset not in table["datasets"]:
            continue
        if len({mixes[row]["real_fraction"] for row in table["rows"]} - {0}) > 1 and (
            "dice" in table["columns"]
        ):
            return name
    return None


def real_fractions(config: dict) -> dict[str, dict]:
    """Of each mix of that table, its part of the real images, and what else is in it, in words."""
    mixes, methods = config["downstream"]["mixes"], config["synthesis"]["methods"]
    found = {}
    for row in config["tables"].get(fraction_table(config), {"rows": []})["rows"]:
        mix = mixes[row]
        series = "real images alone"
        if mix["method"]:
            label = methods.get(mix["method"], {"label": "augmented real images"})["label"]
            series = f"+ {mix['ratio']:g}x {label}"
        series += ", masks found" if mix["found"] is not None else ""
        series += f", ResEnc {mix['resenc'].upper()}" if mix["resenc"] else ""
        found[row] = {"real_fraction": mix["real_fraction"], "series": series}
    return found


def shown_segmenters(config: dict) -> list[str]:
    """The light segmenters of that table."""
    table = config["tables"].get(score_table(config), {"rows": []})
    return [row for row in table["rows"] if row in config["segmentation"]["models"]]
