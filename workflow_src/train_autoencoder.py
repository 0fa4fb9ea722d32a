"""Train the small backbone's autoencoder on a prepared set, or take a given one."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.outputs import OutputFolder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.resumable import State
from workflow_src.data.inventory import fingerprint
from workflow_src.data.prepared import PreparedSet
from workflow_src.study.synthesis import AutoencoderRecipe


def main(data: Path, output: OutputFolder, recipe: AutoencoderRecipe, seed: int = 0) -> None:
    """Train an autoencoder.

    Args:
        data: folder of the prepared set, of one size.
        output: folder to hold `vae/`, log.csv and recipe.json.
        recipe: settings.
        seed: of weights, order and noise.
    """
    from workflow_src.common.training import best_device
    from workflow_src.diffusion.pretrained import given_autoencoder
    from workflow_src.diffusion.small import reconstruction_psnr, train_autoencoder

    prepared, device = PreparedSet(data), best_device()
    images = prepared.images[prepared.rows("train")]
    shaped_by = {
        "recipe": recipe.complete(),
        "data": prepared.meta["sha256"],
        "seed": seed,
    }
    if recipe.path:
        shaped_by["given"] = fingerprint(recipe.path)
    state = State(output, "recipe.json", "workflow_src.train_autoencoder", shaped_by)
    if recipe.path:
        vae = given_autoencoder(Path(recipe.path), images, device)
    else:
        vae = train_autoencoder(images, recipe, seed, state, device)
    content = state.folder / "content"
    vae.save_pretrained(content / "vae")
    held_out = prepared.images[prepared.rows("val")]
    facts = shaped_by | {
        "psnr_validation": reconstruction_psnr(vae, held_out, device) if len(held_out) else None,
        "scaling_factor": vae.config.scaling_factor,
        "provenance": provenance("workflow_src.train_autoencoder"),
    }
    write_json(content / "recipe.json", facts)
    state.finish(content)


if __name__ == "__main__":
    run(main)
