"""Which cases a mix trains on, laid out as nnU-Net reads them; and what of a training is kept."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from workflow_src.common.errors import InputError
from workflow_src.common.json_files import read_facts, read_json
from workflow_src.common.outputs import write_json
from workflow_src.data.arrays import check_made
from workflow_src.data.tables import read_table
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


def choose_cases(
    plan: Path,
    mix: Mix,
    synthetic: Path | None = None,
    resenc: Path | None = None,
    judged: Path | None = None,
    seed: int = 0,
) -> tuple[dict, dict]:
    """What a mix trains and validates on; validation cases are always real.

    Args:
        plan: folder that `plan_nnunet` wrote.
        mix: the mix.
        synthetic: folder that `preprocess_synthetic` wrote.
        resenc: folder that `plan_resenc` wrote.
        judged: folder of the synthetic images' scores against their masks.
        seed: of the training; it draws the real cases.

    Returns:
        Facts that name the data, and {"train": [...], "val": [...]}.

    Raises:
        InputError: if the mix asks for synthetic images that are not there, or for none, or for a
            preset that was not planned, or for scores that are not those images'.
    """
    real = read_facts(plan / "plan.json", "data", "cases", "groups", "plans")
    by = read_facts(resenc / "plan.json", "data", "plans") if resenc else real
    if by.get("preset") != mix.resenc:
        raise InputError(
            f"the mix has the preset {mix.resenc} but {resenc or plan} was planned by "
            f"{by.get('preset')}: give --resenc the folder that plan_resenc wrote for it"
        )
    if by["data"] != real["data"]:
        raise InputError(f"{resenc} was planned on other images than {plan}: plan it again")
    facts = {"plan": by["plans"], "data": real["data"], "mix": mix.complete()}
    train = list(real["cases"]["train"])
    images = len(train)  # of which the ratio is
    if mix.real_fraction < 1:
        train = part_of(train, real["groups"], mix.real_fraction, seed)
    if mix.method:
        if synthetic is None:
            raise InputError(f"the mix has images of {mix.method}: give --synthetic")
        made = read_facts(synthetic / "cases.json", "data", "cases")
        wanted = round(mix.ratio * images)
        if wanted > len(made["cases"]):
            raise InputError(
                f"{synthetic} holds {len(made['cases'])} synthetic images but ratio {mix.ratio} "
                f"needs {wanted}: raise `per_mask` of the sampling"
            )
        if not wanted:
            raise InputError(f"ratio {mix.ratio} of {images} images rounds to 0: raise `ratio`")
        chosen = spread(made["cases"], wanted, images)
        facts["synthetic"] = made["data"]
        if mix.found is not None:
            chosen = found_again(chosen, made, judged, mix.found)
            facts["found"] = {"kept": len(chosen), "of": wanted}
        train += chosen
    if not train:
        raise InputError("the mix is empty: set `real_fraction` or `method`")
    return facts, {"train": train, "val": list(real["cases"]["val"])}


def part_of(names: list[str], groups: dict[str, str], fraction: float, seed: int) -> list[str]:
    """About a fraction of the images: whole cases, the first of an order that the seed draws.

    Args:
        names: of the images.
        groups: the case of each image.
        fraction: of the images; 0 takes none, any other at least one case.
        seed: a smaller fraction of one seed is a part of a larger one.
    """
    if not fraction:
        return []
    count = Counter(groups[name] for name in names)
    order = np.random.default_rng(seed).permutation(sorted(count)).tolist()
    held = np.cumsum([count[case] for case in order])
    taken = set(order[: int(np.abs(held - fraction * len(names)).argmin()) + 1])
    return [name for name in names if groups[name] in taken]


def found_again(names: list[str], made: dict, judged: Path | None, least: float) -> list[str]:
    """Those of the synthetic cases whose mask a model of real images finds.

    Args:
        names: of the cases.
        made: what cases.json says of all.
        judged: folder of their scores.
        least: Dice of the mask.

    Raises:
        InputError: if the scores are not given, or are of other images, or none is found.
    """
    if judged is None:
        raise InputError("the mix keeps images whose masks are found: give --judged")
    if read_facts(judged / "metrics.json", "data")["data"] != made["data"]:
        raise InputError(f"the scores in {judged} are of other images: score them again")
    dice = read_table(judged / "metrics.csv", "dice", marker="metrics.json").dice
    found = dict(zip(made["cases"], dice, strict=True))
    kept = [name for name in names if found[name] >= least]
    if not kept:
        raise InputError(
            f"in none of {len(names)} images the mask is found with a Dice of {least:g}, of "
            f"{max(dice):.2f} at most: lower `found` of the mix"
        )
    return kept


def spread(made: list[str], wanted: int, masks: int) -> list[str]:
    """The wanted number of synthetic cases: whole rounds over the masks, then a part of a round.

    That part is spread evenly, since masks are in order of their source: the first half of a
    round may hold no image of the second source.
    """
    whole = wanted // masks * masks
    rest, last = wanted - whole, made[whole : whole + masks]
    return made[:whole] + [last[i * len(last) // rest] for i in range(rest)]


def assemble(
    plan: Path,
    synthetic: Path | None,
    folder: Path,
    cases: dict,
    recipe: NnunetRecipe,
    seed: int,
    resenc: Path | None = None,
) -> None:
    """Lay out nnU-Net's preprocessed folder of a mix: linked cases, plan, explicit split."""
    check_made((resenc or plan) / "plan.json", f"{nnunet.PLANS}.json")
    check_made(plan / "plan.json", "dataset.json", "dataset_fingerprint.json")
    plans = read_json((resenc or plan) / f"{nnunet.PLANS}.json")
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
    link_cases([n for n in names if n.startswith("real")], plan / "plan.json", stored)
    if synthetic:
        made = [n for n in names if n.startswith("synthetic")]
        link_cases(made, synthetic / "cases.json", stored)
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
    with open(fold / name, "wb") as opened:
        torch.save({key: checkpoint[key] for key in PREDICTION}, opened)
    shutil.copyfile(made / "fold_0" / "log.csv", content / "log.csv")
