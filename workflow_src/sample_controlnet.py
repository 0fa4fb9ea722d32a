"""Sample one shard of a synthetic set, from the masks of the prepared training set."""

from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, require_space, write_json, write_text
from workflow_src.common.provenance import provenance
from workflow_src.common.resumable import State
from workflow_src.data.arrays import opened_array, reserved_array
from workflow_src.data.prepared import PreparedSet
from workflow_src.data.synthetic import conditioning_masks
from workflow_src.study.synthesis import SamplingRecipe

SCRIPT = "workflow_src.sample_controlnet"


def main(
    backbone: Path,
    trained: Path,
    data: Path,
    output: OutputFolder,
    prompt: str,
    recipe: SamplingRecipe,
    seed: int = 0,
    shard: int = 0,
    shards: PositiveInt = 1,
) -> None:
    """Sample every `shards`-th image of the set; images done before a kill are kept.

    Args:
        backbone: backbone.json of the frozen model.
        trained: folder of the trained method.
        data: folder of the prepared set whose training masks condition the images.
        output: folder of the shard.
        prompt: what the images are captioned.
        recipe: settings.
        seed: of the noise.
        shard: which part of the images to sample, from 0.
        shards: number of parts.
    """
    from workflow_src.common.training import best_device
    from workflow_src.data.mask_moves import augmented_mask
    from workflow_src.diffusion.sampling import Sampler, check_trained

    if not 0 <= shard < shards:
        raise InputError(f"--shard {shard} of --shards {shards}: give one from 0 to {shards - 1}")
    check_trained(trained, backbone)
    sampler = Sampler(backbone, trained, prompt, recipe, best_device())
    prepared = PreparedSet(data)
    side, channels = prepared.size, prepared.channels
    if side is None or side % sampler.factor:
        raise InputError(
            f"{prepared.folder} has images of size {side}, but this model makes multiples of "
            f"{sampler.factor}: prepare the set at the size the ControlNet was trained at"
        )
    facts = {
        "recipe": recipe.complete(),
        "prompt": prompt,
        "seed": seed,
        "trained": file_sha256(trained / "recipe.json"),
        "shard": [shard, shards],
        "data": prepared.meta["sha256"],
    }
    rows = prepared.rows("train")
    count = round(len(rows) * recipe.per_mask)
    numbers = np.arange(shard, count, shards)
    state = State(output, "shard.json", SCRIPT, facts)
    content = state.folder / "content"
    content.mkdir(exist_ok=True)
    file, done_file = content / "images.npy", state.folder / "done"
    shape = (len(numbers), side, side, channels)
    images: Any  # a memory map, unless it is empty
    try:
        done = int(done_file.read_text())
        opened_array(file, shape)  # as it is: one that was cut would be made longer to write to
        images = np.lib.format.open_memmap(file, mode="r+")
    except (FileNotFoundError, ValueError, InputError):  # at first, or left so by a disk
        done = 0
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


if __name__ == "__main__":
    run(main)
