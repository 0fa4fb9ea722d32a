"""Encode a training set once: latents (mean and deviation) and prompt embeddings."""

from pathlib import Path

from jsonargparse.typing import PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.outputs import OutputFolder, whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.arrays import check_made
from workflow_src.data.prepared import PreparedSet


def main(
    data: Path,
    output: OutputFolder,
    prompt: str,
    backbone: Path | None = None,
    autoencoder: Path | None = None,
    batch: PositiveInt = 16,
) -> None:
    """Cache the latents of a prepared set's training rows.

    Args:
        data: folder of the prepared set, of one size.
        output: folder of the cache.
        prompt: what every image is captioned.
        backbone: backbone.json of the model to encode with.
        autoencoder: instead of a backbone, the folder of a small autoencoder that has no UNet yet.
        batch: images encoded at once.
    """
    from workflow_src.common.errors import InputError
    from workflow_src.common.training import best_device
    from workflow_src.diffusion import backbone as models
    from workflow_src.diffusion.latents import cache_latents
    from workflow_src.diffusion.small import CROSS_ATTENTION_DIM

    if backbone and not autoencoder:
        vae = models.load_vae(backbone)
        text = models.embed_prompts(backbone, [prompt, ""])
    elif autoencoder and not backbone:
        check_made(autoencoder / "recipe.json")
        vae = models.load_autoencoder(autoencoder / "vae")
        text = models.prompt_codes([prompt, ""], CROSS_ATTENTION_DIM)
    else:
        raise InputError("give either --backbone or --autoencoder")
    with whole_folder(output, "latents.json") as folder:
        facts = cache_latents(vae, text, PreparedSet(data), folder, batch, best_device())
        facts |= {"prompt": prompt, "provenance": provenance("workflow_src.cache_latents")}
        write_json(folder / "latents.json", facts)


if __name__ == "__main__":
    run(main)
