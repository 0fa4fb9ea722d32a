"""Train the small backbone's UNet on an autoencoder's latents; writes the complete backbone."""

import shutil
from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.hashing import file_sha256
from workflow_src.common.json_files import read_json
from workflow_src.common.outputs import OutputFolder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.resumable import State
from workflow_src.data.arrays import check_made
from workflow_src.study.synthesis import DenoiserRecipe


def main(
    autoencoder: Path, latents: Path, output: OutputFolder, recipe: DenoiserRecipe, seed: int = 0
) -> None:
    """Train the UNet of a small latent-diffusion model.

    Args:
        autoencoder: folder of the autoencoder, as `train_autoencoder` writes it.
        latents: folder of its cached latents, as `cache_latents` writes them.
        output: folder of the backbone: `vae/`, `unet/`, `scheduler/` and backbone.json.
        recipe: settings.
        seed: of weights, order and noise.
    """
    from workflow_src.common.training import best_device
    from workflow_src.diffusion.latents import load_latents
    from workflow_src.diffusion.noising import noise_schedule
    from workflow_src.diffusion.small import train_denoiser

    check_made(autoencoder / "recipe.json")
    cached = load_latents(latents)
    shaped_by = {"recipe": recipe.complete(), "latents": cached.sha256, "seed": seed}
    state = State(output, "backbone.json", "workflow_src.train_denoiser", shaped_by)
    unet = train_denoiser(
        cached.mean, cached.std, cached.text, cached.empty, recipe, seed, state, best_device()
    )
    content = state.folder / "content"
    unet.save_pretrained(content / "unet")
    noise_schedule().save_pretrained(content / "scheduler")
    shutil.copytree(autoencoder / "vae", content / "vae", dirs_exist_ok=True)
    weights = content / "unet" / "diffusion_pytorch_model.safetensors"
    facts = {"kind": "small", "sha256": file_sha256(weights), **shaped_by}
    facts["autoencoder"] = read_json(autoencoder / "recipe.json")
    facts["provenance"] = provenance("workflow_src.train_denoiser")
    write_json(content / "backbone.json", facts)
    state.finish(content)


if __name__ == "__main__":
    run(main)
