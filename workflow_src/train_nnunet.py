"""Train nnU-Net on a mix of real and synthetic images, by the plan made on the real ones."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from workflow_src.command import run
from workflow_src.data.prepared import file_sha256
from workflow_src.downstream import environment as nnunet
from workflow_src.downstream.cases import link_cases
from workflow_src.downstream.recipes import Mix, NnunetRecipe
from workflow_src.errors import InputError
from workflow_src.runs import State, provenance, write_json

SCRIPT = "workflow_src.train_nnunet"
# What nnU-Net's predictor reads of a checkpoint.
PREDICTION = (
    "network_weights",
    "init_args",
    "trainer_name",
    "inference_allowed_mirroring_axes",
)


def main(
    plan: Path,
    output: Path,
    mix: Mix,
    recipe: NnunetRecipe,
    synthetic: Path | None = None,
    seed: int = 0,
    threads: int = 1,
    gpus: int = 1,
) -> None:
    """Train nnU-Net.

    Args:
        plan: folder that `plan_nnunet` wrote.
        output: folder of the trained model.
        mix: which images to train on.
        recipe: settings.
        synthetic: folder that `preprocess_synthetic` wrote, if the mix has synthetic images.
        seed: of weights, order and augmentation.
        threads: what the job may use.
        gpus: GPUs to train on, where there are any.
    """
    facts, cases = choose_cases(plan, mix, synthetic)
    facts |= {"recipe": asdict(recipe), "seed": seed}
    state = State(output, SCRIPT, facts)
    nnunet.set_environment(state.folder, threads)
    name = json.loads((plan / "plan.json").read_text())["dataset"]
    assemble(plan, synthetic, state.folder / "preprocessed" / name, cases, recipe, seed)

    import torch
    from nnunetv2.run.run_training import run_training

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run_training(
        name, nnunet.CONFIGURATION, nnunet.FOLD, nnunet.TRAINER, nnunet.PLANS,
        num_gpus=gpus if device.type == "cuda" else 1, continue_training=True, device=device,
    )  # fmt: skip
    made = state.folder / "results" / name
    made = made / f"{nnunet.TRAINER}__{nnunet.PLANS}__{nnunet.CONFIGURATION}"
    content = state.folder / "content"
    publish(made, content)
    facts |= {
        "kind": "nnunet",
        "cases": cases,
        "weights": file_sha256(content / "fold_0" / "checkpoint_final.pth"),
        "provenance": provenance(SCRIPT),
    }
    write_json(content / "recipe.json", facts)
    state.finish(content, "recipe.json")


def choose_cases(plan: Path, mix: Mix, synthetic: Path | None) -> tuple[dict, dict]:
    """What a mix trains and validates on; validation cases are always real.

    Returns:
        Facts that name the data, and {"train": [...], "val": [...]}.

    Raises:
        InputError: if the mix asks for synthetic images that are not there, or for none.
    """
    real = json.loads((plan / "plan.json").read_text())
    facts = {"plan": real["plans"], "data": real["data"], "mix": asdict(mix)}
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
    checkpoint = torch.load(made / "fold_0" / name, map_location="cpu", weights_only=False)
    torch.save({key: checkpoint[key] for key in PREDICTION}, fold / name)
    shutil.copyfile(made / "fold_0" / "log.csv", content / "log.csv")


if __name__ == "__main__":
    run(main)
