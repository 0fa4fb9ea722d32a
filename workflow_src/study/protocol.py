"""How a study differs from the paper: its protocol, and what it makes smaller. For tables' notes.

Only the rules use this, so that no script's hash of its code depends on it.
"""

from workflow_src.study.configuration import resolve
from workflow_src.study.table_specs import mix_of, model_of, models_of

PAPER_GRID = 32  # ORDER's attention grid that gives the published operations
PAPER_COST_SIZE = 256  # side length at which the paper counts operations


def table_remarks(config: dict, name: str) -> list[str]:
    """The protocol of a table, line by line: how it was trained, and which networks are smaller."""
    synthesis, downstream = config["synthesis"], config["downstream"]["training"]
    training, light = synthesis["training"], config["segmentation"]["training"]
    size = synthesis["image_size"]
    fit = (
        "crops, padded with black where an image is smaller"
        if light["fit"] == "crop"
        else "resized"
    )
    lines = {
        "methods": f"Study {config['study']}: {size}² images, ControlNets trained for "
        f"{training['steps']} steps of {training['batch_size']} images, DDIM "
        f"{synthesis['sampling']['steps']} steps, guidance {synthesis['sampling']['guidance']}. "
        f"Mask Dice: what {synthesis['faithfulness_model']}, trained on real images, finds of the "
        "conditioning mask.",
        "mixes": f"Study {config['study']}: nnU-Net at {size}², planned on the real images "
        f"alone; every mix is trained for {downstream['epochs']} x {downstream['iterations']} "
        "updates and validated on real images only. Mean over test images, foreground, at 0.5.",
        "models": f"Study {config['study']}: {light['image_size']}² ({fit}), "
        f"{light['epochs']} epochs; operations (2 per multiply-accumulate) at "
        f"{config['segmentation']['cost_size']}². Mean over test images, foreground, at 0.5.",
    }
    return [lines[config["tables"][name]["of"]], *reduced_networks(config, name)]


def grid_of(config: dict, model: str) -> int:
    """The side of the grid that a light model attends on; the paper's where it sets none."""
    recipe = resolve(config["segmentation"], "models", model)
    return recipe.get("options", {}).get("grid", PAPER_GRID)


def reduced_networks(config: dict, name: str) -> list[str]:
    """Notes on networks of a table that are smaller than the published ones."""
    table = config["tables"][name]
    if table["of"] == "methods":
        return []
    models = [model_of(table["of"], row) for row in table["rows"]]
    grids = {grid_of(config, m) for m in models if m in config["segmentation"]["models"]}
    notes = [
        f"ORDER attends on a grid of {grid}², not {PAPER_GRID}²."
        for grid in sorted(grids - {PAPER_GRID})
    ]
    network = config["downstream"]["training"]["network"]
    if network and any(map(mix_of, models)):
        notes.append(
            "nnU-Net's planned network is replaced by a small one: channels "
            f"{network['features']}, patches of {network['patch_size']}²."
        )
    return notes


def reduced_costs(config: dict) -> list[str]:
    """Costs that are not the published network's, as model.column.

    This study makes the network smaller, or counts at another size; nnU-Net plans by its data, and
    phantoms are not the paper's.
    """
    segmentation, downstream = config["segmentation"], config["downstream"]
    found = {
        f"{model}.gflops"
        for model in segmentation["models"]
        if resolve(segmentation, "models", model)["architecture"] == "order"
        and grid_of(config, model) != PAPER_GRID
    }
    shown = {name for table in config["tables"].values() for name in table["datasets"]}
    drawn = any(config["datasets"][name]["phantom"] for name in shown)
    if drawn or downstream["training"]["network"]:
        found |= {
            f"nnunet-{mix}.{column}"
            for mix in downstream["mixes"]
            for column in ("parameters", "gflops")
        }
    if segmentation["cost_size"] != PAPER_COST_SIZE:
        found |= {f"{model}.gflops" for model in models_of(config)}
    return sorted(found)
