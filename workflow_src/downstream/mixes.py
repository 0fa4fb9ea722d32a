"""Which cases a mix trains on, laid out as nnU-Net reads them; and what of a training is kept."""

import json
import shutil
from pathlib import Path

from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.downstream import environment as nnunet
from workflow_src.downstream.cases import link_cases
from workflow_src.downstream.checkpoints import load_checkpoint
from workflow_src.study.downstream import Mix, NnunetRecipe

# What nnU-Net's predictor reads of a checkpoint.
PREDICTION = (
    "network_weights",
    "init_args",
    "trainer_name",
    "inference_allowed_mirroring_axes",
)


def choose_cases(plan: Path, mix: Mix, synthetic: Path | None) -> tuple[dict, dict]:
    """What a mix trains and validates on; validation cases are always real.

    Returns:
        Facts that name the data, and {"train": [...], "val": [...]}.

    Raises:
        InputError: if the mix asks for synthetic images that are not there, or for none.
    """
    real = json.loads((plan / "plan.json").read_text())
    facts = {"plan": real["plans"], "data": real["data"], "mix": mix.complete()}
    train = list(real["cases"]["train"]) if mix.real else []
    if mix.method:
        if synthetic is None:
            raise InputError(f"the mix has images of {mix.method}: give --synthetic")
        made = json.loads((synthetic / "cases.json").read_text())
        wanted = round(mix.ratio * len(real["cases"]["train"]))
        if wanted > len(made["cases"]):
            raise InputError(
                f"{synthetic} holds {len(made['cases'])} synthetic images but ratio {mix.ratio} "
                f"needs {wanted}: raise `per_mask` of the sampling"
            )
        if not wanted:
            raise InputError(f"ratio {mix.ratio} of {len(real['cases']['train'])} images is none")
        train += spread(made["cases"], wanted, len(real["cases"]["train"]))
        facts["synthetic"] = made["data"]
    if not train:
        raise InputError("the mix is empty: set `real` or `method`")
    return facts, {"train": train, "val": list(real["cases"]["val"])}


def spread(made: list[str], wanted: int, masks: int) -> list[str]:
    """The wanted number of synthetic cases: whole rounds over the masks, then a part of a round.

    That part is spread evenly, since masks are in order of their source: the first half of a
    round may hold no image of the second source.
    """
    whole = wanted // masks * masks
    rest, last = wanted - whole, made[whole : whole + masks]
    return made[:whole] + [last[i * len(last) // rest] for i in range(rest)]


def assemble(
    plan: Path, synthetic: Path | None, folder: Path, cases: dict, recipe: NnunetRecipe, seed: int
) -> None:
    """Lay out nnU-Net's preprocessed folder of a mix: linked cases, plan, explicit split."""
    plans = json.loads((plan / f"{nnunet.PLANS}.json").read_text())
    plans["workflow"] = {
        "epochs": recipe.epochs,
        "iterations": recipe.iterations,
        "validation_iterations": recipe.validation_iterations,
        "checkpoint_every": recipe.checkpoint_every,
        "seed": seed,
    }
    stored = folder / plans["configurations"][nnunet.CONFIGURATION]["data_identifier"]
    stored.mkdir(parents=True, exist_ok=True)
    names = cases["train"] + cases["val"]
    link_cases([n for n in names if n.startswith("real")], plan / "cases", stored)
    if synthetic:
        link_cases([n for n in names if n.startswith("synthetic")], synthetic / "cases", stored)
    for file in ("dataset.json", "dataset_fingerprint.json"):
        shutil.copyfile(plan / file, folder / file)
    write_json(folder / f"{nnunet.PLANS}.json", plans)
    write_json(folder / "splits_final.json", [cases])


def publish(made: Path, content: Path) -> None:
    """Gather what prediction needs, in the layout that nnU-Net's predictor reads.

    The checkpoint keeps that alone: the dates in it would make every run's file another one, and
    the optimiser's state would make it twice as large. nnU-Net's own stays: a run that is killed
    from here on finds it again.
    """
    import torch

    fold = content / "fold_0"
    fold.mkdir(parents=True, exist_ok=True)
    for file in ("plans.json", "dataset.json"):
        shutil.copyfile(made / file, content / file)
    name = "checkpoint_final.pth"
    checkpoint = load_checkpoint(made / "fold_0" / name)
    torch.save({key: checkpoint[key] for key in PREDICTION}, fold / name)
    shutil.copyfile(made / "fold_0" / "log.csv", content / "log.csv")
