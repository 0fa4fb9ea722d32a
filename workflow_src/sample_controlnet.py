"""Sample synthetic images from masks with a trained ControlNet.

As a step of the workflow it samples one shard of a synthetic set, conditioned on the masks of the
prepared training set, and goes on after a kill. For masks of your own give `--masks`, a folder of
mask files, and an output folder for `images/<stem>.png` and `samples.json`, the settings: called
again, it samples them again, in place of all that an earlier call wrote. See the README.
"""

from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import (
    OutputFolder,
    require_space,
    whole_folder,
    write_json,
    write_text,
)
from workflow_src.common.provenance import provenance
from workflow_src.common.resumable import State
from workflow_src.data.arrays import reserved_array
from workflow_src.data.image_files import image_files
from workflow_src.data.masks import read_mask
from workflow_src.data.prepared import PreparedSet, resize_mask
from workflow_src.data.synthetic import conditioning_masks
from workflow_src.study.synthesis import SamplingRecipe

SCRIPT, MARKER = "workflow_src.sample_controlnet", "samples.json"


def main(
    backbone: Path,
    trained: Path,
    output: OutputFolder,
    prompt: str,
    recipe: SamplingRecipe,
    data: Path | None = None,
    masks: Path | None = None,
    size: int | None = None,
    seed: int = 0,
    shard: int = 0,
    shards: int = 1,
) -> None:
    """Sample images.

    Args:
        backbone: backbone.json of the frozen model.
        trained: folder of the trained method.
        output: folder of the shard; with `masks`, a new or empty folder, or an earlier call's.
        prompt: what the images are captioned.
        recipe: settings.
        data: folder of the prepared set whose training masks condition the images.
        masks: instead of `data`, a folder of mask files of your own.
        size: with `masks`, the side length of the images.
        seed: of the noise.
        shard: which part of the images to sample, from 0.
        shards: number of parts.
    """
    from workflow_src.common.training import best_device
    from workflow_src.diffusion.sampling import Sampler, check_trained

    if (data is None) == (masks is None):
        raise InputError("give either --data or --masks")
    if masks is not None and (size is None or size < 1):
        raise InputError("--masks needs --size, the side length the ControlNet was trained at")
    if not 0 <= shard < shards:
        raise InputError(f"--shard {shard} of --shards {shards}: give one from 0 to {shards - 1}")
    check_trained(trained, backbone)
    sampler = Sampler(backbone, trained, prompt, recipe, best_device())
    facts = {
        "recipe": recipe.complete(),
        "prompt": prompt,
        "seed": seed,
        "trained": file_sha256(trained / "recipe.json"),
    }
    if masks is not None and size is not None:
        sample_folder(sampler, masks, output, size, facts)
    elif data is not None:
        facts |= {"shard": [shard, shards], "data": PreparedSet(data).meta["sha256"]}
        sample_shard(sampler, PreparedSet(data), output, facts)


def sample_shard(sampler, prepared: PreparedSet, output: Path, facts: dict) -> None:
    """Sample every `shards`-th image of the synthetic set; images done before a kill are kept."""
    from workflow_src.data.mask_moves import augmented_mask

    recipe, seed, (shard, shards) = sampler.recipe, facts["seed"], facts["shard"]
    rows = prepared.rows("train")
    if prepared.size is None or prepared.size % sampler.factor:
        raise InputError(
            f"{prepared.folder} has images of size {prepared.size}, but this model makes multiples "
            f"of {sampler.factor}: prepare the set at the size the ControlNet was trained at"
        )
    count = round(len(rows) * recipe.per_mask)
    numbers = np.arange(shard, count, shards)
    state = State(output, "shard.json", SCRIPT, facts)
    content = state.folder / "content"
    content.mkdir(exist_ok=True)
    side, channels = prepared.size, prepared.channels
    file, done_file = content / "images.npy", state.folder / "done"
    done = int(done_file.read_text()) if done_file.is_file() and file.is_file() else 0
    shape = (len(numbers), side, side, channels)
    images: Any  # a memory map, unless it is empty
    if done:
        images = np.lib.format.open_memmap(file, mode="r+")
    else:
        require_space(content, int(np.prod(shape)) + len(numbers) * side**2, f"the set in {output}")
        images = reserved_array(file, shape)
    masks = prepared.masks[rows[conditioning_masks(count, len(rows))[numbers]]]
    if recipe.masks == "augmented":
        pairs = zip(masks, numbers.tolist(), strict=True)
        masks = np.stack([augmented_mask(mask, number, seed) for mask, number in pairs])
    with tqdm(total=len(numbers), initial=done, unit="image") as bar:
        for start in range(done, len(numbers), recipe.batch_size):
            part = slice(start, start + recipe.batch_size)
            images[part] = sampler(masks[part], numbers[part].tolist(), seed, channels)
            images.flush()
            write_text(done_file, str(start + len(numbers[part])))
            bar.update(len(numbers[part]))
    np.save(content / "masks.npy", masks)
    np.save(content / "numbers.npy", numbers)
    write_json(content / "shard.json", facts | {"provenance": provenance(SCRIPT)})
    state.finish(content)


def sample_folder(sampler, masks: Path, output: Path, size: int, facts: dict) -> None:
    """Sample a PNG for each mask file of a folder; all of them appear at once, when done."""
    from PIL import Image

    if size % sampler.factor:
        raise InputError(
            f"--size {size} is not a multiple of {sampler.factor}, as this model needs"
        )
    files = list(image_files(masks).values())
    batch = sampler.recipe.batch_size
    with whole_folder(output.resolve(), MARKER) as folder:
        (folder / "images").mkdir()
        for start in tqdm(range(0, len(files), batch), unit="batch"):
            part = files[start : start + batch]
            small = np.stack([resize_mask(read_mask(file), size) for file in part])
            numbers = list(range(start, start + len(part)))
            images = sampler(small, numbers, facts["seed"], channels=3)
            for file, image in zip(part, images, strict=True):
                Image.fromarray(image).save(folder / "images" / f"{file.stem}.png")
        write_json(folder / MARKER, facts | {"size": size, "provenance": provenance(SCRIPT)})


if __name__ == "__main__":
    run(main)
