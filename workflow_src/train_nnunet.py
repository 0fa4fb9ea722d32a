"""Train nnU-Net on a mix of real and synthetic images, by the plan made on the real ones."""

from pathlib import Path

from jsonargparse.typing import PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.hashing import file_sha256
from workflow_src.common.json_files import read_facts
from workflow_src.common.outputs import OutputFolder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.resumable import State
from workflow_src.downstream import environment as nnunet
from workflow_src.downstream.checkpoints import dropped, load_checkpoint
from workflow_src.downstream.mixes import assemble, choose_cases, publish
from workflow_src.study.downstream import Mix, NnunetRecipe

SCRIPT = "workflow_src.train_nnunet"


def main(
    plan: Path,
    output: OutputFolder,
    mix: Mix,
    recipe: NnunetRecipe,
    synthetic: Path | None = None,
    resenc: Path | None = None,
    judged: Path | None = None,
    seed: int = 0,
    threads: PositiveInt = 1,
    gpus: PositiveInt = 1,
) -> None:
    """Train nnU-Net.

    Args:
        plan: folder that `plan_nnunet` wrote.
        output: folder of the trained model.
        mix: which images to train on.
        recipe: settings.
        synthetic: folder that `preprocess_synthetic` wrote, if the mix has synthetic images.
        resenc: folder that `plan_resenc` wrote, if the mix has one of its presets.
        judged: scores of the synthetic images against their masks, as `score_segmentation` wrote
            them, if the mix keeps those alone whose masks are found.
        seed: of weights, order and augmentation, and of which real images are in.
        threads: what the job may use.
        gpus: GPUs to train on, where there are any.
    """
    facts, cases = choose_cases(
        plan, mix, synthetic=synthetic, resenc=resenc, judged=judged, seed=seed
    )
    facts |= {"recipe": recipe.complete(), "seed": seed}
    state = State(output, "recipe.json", SCRIPT, facts)
    nnunet.set_environment(state.folder, threads)
    name = read_facts(plan / "plan.json", "dataset")["dataset"]
    preprocessed = state.folder / "preprocessed" / name
    assemble(plan, synthetic, preprocessed, cases, recipe, seed, resenc)

    import torch
    from nnunetv2.run.run_training import run_training

    made = state.folder / "results" / name
    made = made / f"{nnunet.TRAINER}__{nnunet.PLANS}__{nnunet.CONFIGURATION}"
    for checkpoint in sorted(made.glob("fold_*/checkpoint_*.pth")):
        if not dropped(checkpoint):
            load_checkpoint(checkpoint)  # what nnU-Net would go on from is refused in one line
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run_training(
        name, nnunet.CONFIGURATION, nnunet.FOLD, nnunet.TRAINER, nnunet.PLANS,
        num_gpus=gpus if device.type == "cuda" else 1, continue_training=True, device=device,
    )  # fmt: skip
    content = state.folder / "content"
    publish(made, content)
    facts |= {
        "kind": "nnunet",
        "cases": cases,
        "weights": file_sha256(content / "fold_0" / "checkpoint_final.pth"),
        "provenance": provenance(SCRIPT),
    }
    write_json(content / "recipe.json", facts)
    state.finish(content)


if __name__ == "__main__":
    run(main)
