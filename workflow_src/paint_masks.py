"""Paint an image into each mask of a folder, by a trained ControlNet.

    images/<stem>.png   an image for each mask
    samples.json        the settings

Called again, it writes the same files again, in place of all that an earlier call wrote.
"""

from pathlib import Path

import numpy as np
from jsonargparse.typing import PositiveInt
from PIL import Image
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.image_files import image_files
from workflow_src.data.masks import read_mask
from workflow_src.data.prepared import resize_mask
from workflow_src.study.synthesis import SamplingRecipe

MARKER = "samples.json"


def main(
    backbone: Path,
    trained: Path,
    masks: Path,
    output: OutputFolder,
    prompt: str,
    recipe: SamplingRecipe,
    size: PositiveInt,
    seed: int = 0,
) -> None:
    """Sample an image for each mask; all of them appear at once, when the last is done.

    Args:
        backbone: backbone.json of the frozen model.
        trained: folder of the trained method.
        masks: folder of mask files, of any size.
        output: folder for the images: a new or empty one, or that of an earlier call.
        prompt: what the images are captioned.
        recipe: settings.
        size: side length of the images, as the ControlNet was trained at.
        seed: of the noise.
    """
    from workflow_src.common.training import best_device
    from workflow_src.diffusion.sampling import Sampler, check_trained

    files = list(image_files(masks).values())
    check_trained(trained, backbone)
    sampler = Sampler(backbone, trained, prompt, recipe, best_device())
    if size < 1 or size % sampler.factor:
        raise InputError(
            f"--size {size} is not a multiple of {sampler.factor}, as this model needs"
        )
    with whole_folder(output.resolve(), MARKER) as folder:
        (folder / "images").mkdir()
        for start in tqdm(range(0, len(files), recipe.batch_size), unit="batch"):
            part = files[start : start + recipe.batch_size]
            resized = np.stack([resize_mask(read_mask(file), size) for file in part])
            numbers = list(range(start, start + len(part)))
            images = sampler(resized, numbers, seed, channels=3)
            for file, image in zip(part, images, strict=True):
                Image.fromarray(image).save(folder / "images" / f"{file.stem}.png")
        facts = {
            "recipe": recipe.complete(),
            "prompt": prompt,
            "size": size,
            "seed": seed,
            "trained": file_sha256(trained / "recipe.json"),
            "provenance": provenance("workflow_src.paint_masks"),
        }
        write_json(folder / MARKER, facts)


if __name__ == "__main__":
    run(main)
