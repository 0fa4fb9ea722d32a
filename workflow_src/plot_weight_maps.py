"""Figures 3 and 4 as data: LAW's δ, μ and weights on real training images."""

from pathlib import Path

import numpy as np

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.json_files import facts_of
from workflow_src.data.arrays import check_made, loaded_arrays
from workflow_src.data.prepared import PreparedSet
from workflow_src.paper.style import grid, save, show


def main(trained: Path, data: Path, output: Path) -> None:
    """Draw the maps of the last snapshot.

    Args:
        trained: folder of a ControlNet trained with LAW.
        data: folder of the prepared set that it was trained on.
        output: path without suffix.
    """
    import torch

    from workflow_src.diffusion.law import adaptive_weights, multiplier
    from workflow_src.diffusion.weighting import final_weights, mask_at_latent, ratio_weights
    from workflow_src.study.synthesis import ControlNetRecipe

    check_made(trained / "recipe.json")
    files = sorted(trained.glob("delta_*.npz"))
    if not files:
        raise InputError(f"{trained} holds no delta_*.npz: it was not trained with LAW")
    snapshot = loaded_arrays(files[-1])
    with facts_of(trained / "recipe.json") as facts:
        recipe = ControlNetRecipe(**facts["recipe"])
    delta = torch.from_numpy(snapshot["delta"])[:, None]
    masks = torch.from_numpy(snapshot["mask"])[:, None].float()
    mask = mask_at_latent(masks, delta.shape[-2:], recipe.mask_resize)
    mu, prior = multiplier(delta, recipe.gamma), ratio_weights(mask)
    columns = {
        "δ (Eq. 4)": (delta, 0.0, 1.0),
        "μ (Eq. 5)": (mu, 1 - recipe.gamma, 1 + recipe.gamma),
        "ratio (Eq. 3)": (prior, 0.0, 1.0),
        "normalised (Eq. 6)": (final_weights(prior * mu, True, None), 0.0, 4.0),
        "final (Eq. 7)": (adaptive_weights(delta, mask, recipe), 0.0, 4.0),
    }
    prepared = PreparedSet(data)
    figure, axes = grid(len(delta), 2 + len(columns))
    for line, row, outline, ratio in zip(
        axes, snapshot["row"], snapshot["mask"], mask.mean(dim=(1, 2, 3)), strict=True
    ):
        show(line[0], np.asarray(prepared.image(int(row))))
        show(line[1], outline * np.uint8(255))
        line[0].set_ylabel(f"r = {ratio:.3f}", fontsize=6)
    for place, (title, (maps, low, high)) in enumerate(columns.items(), 2):
        for axis, drawn in zip(axes[:, place], maps[:, 0].numpy(), strict=True):
            axis.imshow(drawn, cmap="cividis", vmin=low, vmax=high, interpolation="nearest")
        axes[0, place].set_title(f"{title}\n{low:g} to {high:g}", fontsize=6)
    axes[0, 0].set_title("image", fontsize=6)
    axes[0, 1].set_title("mask", fontsize=6)
    save(figure, output)


if __name__ == "__main__":
    run(main)
