"""Join the shards of a synthetic set into one prepared set, whose every image is for training."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import OutputFolder, whole_folder
from workflow_src.common.provenance import provenance
from workflow_src.data.arrays import check_made, loaded_array
from workflow_src.data.prepared import PreparedSet, PreparedWriter
from workflow_src.data.synthetic import synthetic_records


def main(data: Path, shards: list[Path], output: OutputFolder, method: str) -> None:
    """Join shards.

    Args:
        data: folder of the prepared set whose training masks conditioned the images.
        shards: folders that `sample_controlnet` wrote, all of them.
        output: folder of the synthetic prepared set.
        method: name of the method, for the stems.
    """
    prepared = PreparedSet(data)
    for shard in shards:
        check_made(shard / "shard.json")
    numbers = [loaded_array(shard / "numbers.npy") for shard in shards]
    count = sum(map(len, numbers))
    if not np.array_equal(np.sort(np.concatenate(numbers)), np.arange(count)):
        raise InputError(f"the shards of {output} do not add up: give all of them, each once")
    records = synthetic_records(prepared, method, count)
    with whole_folder(output, "meta.json") as folder:
        writer = PreparedWriter(folder, records, prepared.channels, prepared.size)
        with tqdm(total=count, unit="image") as bar:
            for shard, places in zip(shards, numbers, strict=True):
                # Mapped, not loaded: a set of many gigabytes costs no memory.
                parts = (loaded_array(shard / f"{n}.npy", mapped=True) for n in ("images", "masks"))
                for number, image, mask in zip(places, *parts, strict=True):
                    writer.put(number, image, mask)
                    bar.update()
        writer.finish(
            {
                "conditioned_on": prepared.meta["sha256"],
                "method": method,
                "provenance": provenance("workflow_src.gather_samples"),
            }
        )


if __name__ == "__main__":
    run(main)
