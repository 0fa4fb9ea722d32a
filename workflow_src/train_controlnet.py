"""Train a mask-conditioned ControlNet by one method: uniform, ArSDM, distillation, LAW or a rung.

To train on N GPUs: `python -m workflow_src.common.launch --gpus N --processes N -m
workflow_src.train_controlnet ...`. `batch_size` counts over all of them, so their number does not
change the recipe.
"""

import shutil
from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.resumable import State
from workflow_src.data.prepared import PreparedSet
from workflow_src.study.registries import WEIGHTINGS
from workflow_src.study.synthesis import ControlNetRecipe

SCRIPT = "workflow_src.train_controlnet"


def main(
    backbone: Path,
    data: Path,
    latents: Path,
    output: OutputFolder,
    recipe: ControlNetRecipe,
    seed: int = 0,
    prompt: str = "",
) -> None:
    """Train a ControlNet.

    Args:
        backbone: backbone.json of the frozen model.
        data: folder of the prepared training set.
        latents: folder of its cached latents.
        output: folder of the trained method.
        recipe: the method.
        seed: of weights, order and noise.
        prompt: what the images are captioned, for previews.
    """
    from diffusers import DDPMScheduler

    from workflow_src.common.training import best_device
    from workflow_src.diffusion.backbone import backbone_folder, load_unet
    from workflow_src.diffusion.controlnet import recipe_facts, save_trained, train_controlnet
    from workflow_src.diffusion.latents import load_latents
    from workflow_src.diffusion.preview import preview_grids

    prepared, cached = PreparedSet(data), load_latents(latents)
    facts = recipe_facts(recipe, cached, len(prepared.rows("train"))) | {"seed": seed}
    facts["backbone"] = file_sha256(backbone)
    members = [WEIGHTINGS[name] for name in recipe.weightings]
    state = State(output, "recipe.json", SCRIPT, facts, *members)
    schedule = DDPMScheduler.from_pretrained(backbone_folder(backbone) / "scheduler")
    preview = preview_grids(backbone, prepared, prompt, state.folder, best_device())
    trained = train_controlnet(
        load_unet(backbone), schedule, prepared, cached, recipe, seed, state, preview
    )
    if trained is None:  # not the first process
        return
    content = state.folder / "content"
    content.mkdir(exist_ok=True)
    save_trained(trained, content)
    for made in [*state.folder.glob("delta_*.npz"), *state.folder.glob("preview_*.png")]:
        shutil.copy(made, content)  # not moved: a run that fails now finds them again
    write_json(content / "recipe.json", facts | {"provenance": provenance(SCRIPT, *members)})
    state.finish(content)


if __name__ == "__main__":
    run(main)
