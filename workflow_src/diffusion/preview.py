"""Preview grids: what a ControlNet in training paints into a few masks."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from workflow_src.data.prepared import PreparedSet
from workflow_src.diffusion.controlnet import save_trained
from workflow_src.diffusion.objective import Objective
from workflow_src.diffusion.sampling import Sampler
from workflow_src.study.synthesis import SamplingRecipe

RECIPE = SamplingRecipe(steps=20, batch_size=8, guidance=2.0)


def preview_grids(
    backbone: Path, prepared: PreparedSet, prompt: str, folder: Path, device: str
) -> Callable[[int, Objective], None]:
    """A function of step and objective that writes preview_<step>.png: masks above, images below.

    The masks are spread over the lesion sizes; mask and noise are the same at every step.

    Args:
        backbone: the backbone's backbone.json.
        prepared: the training set.
        prompt: what the images are captioned.
        folder: for the grids.
        device: to sample on.
    """
    rows = prepared.rows("train")
    order = np.argsort(prepared.index.lesion_fraction.to_numpy()[rows], kind="stable")
    rows = rows[order[np.linspace(0, len(rows) - 1, min(len(rows), RECIPE.batch_size)).astype(int)]]
    masks = np.stack([prepared.mask(row) for row in rows])

    def draw(step: int, objective: Objective) -> None:
        weights = folder / "preview"
        # The training's own draws must not feel that a preview was made.
        with torch.random.fork_rng():
            save_trained(objective, weights)
            sampler = Sampler(backbone, weights, prompt, RECIPE, device)
            images = sampler(masks, list(range(len(masks))), seed=0, channels=3)
        shutil.rmtree(weights)
        above = np.repeat(np.concatenate(masks * 255, axis=1)[..., None], 3, axis=2)
        grid = np.concatenate([above, np.concatenate(images, axis=1)])
        Image.fromarray(grid).save(folder / f"preview_{step:06d}.png")

    return draw
