"""Join the shards of a synthetic set into one prepared set, whose every image is for training."""

from pathlib import Path

import numpy as np

from workflow_src.command import run
from workflow_src.data.prepared import PreparedSet, PreparedWriter
from workflow_src.data.synthetic import synthetic_records
from workflow_src.errors import InputError
from workflow_src.runs import provenance, whole_folder


def main(data: Path, shards: list[Path], output: Path, method: str) -> None:
    """Join shards.

    Args:
        data: folder of the prepared set whose training masks conditioned the images.
        shards: folders that `sample_controlnet` wrote, all of them.
        output: folder of the synthetic prepared set.
        method: name of the method, for the stems.
    """
    prepared = PreparedSet(data)
    images, masks, numbers = (
        np.concatenate([np.load(shard / f"{part}.npy") for shard in shards])
        for part in ("images", "masks", "numbers")
    )
    order = np.argsort(numbers)
    if not np.array_equal(numbers[order], np.arange(len(numbers))):
        raise InputError(f"the shards of {output} do not add up: give all of them, each once")
    records = synthetic_records(prepared, method, len(numbers))
    with whole_folder(output, "meta.json") as folder:
        writer = PreparedWriter(folder, records, prepared.channels, prepared.size)
        for number, place in enumerate(order):
            writer.put(number, images[place], masks[place])
        writer.finish(
            {
                "conditioned_on": prepared.meta["sha256"],
                "method": method,
                "provenance": provenance("workflow_src.gather_samples"),
            }
        )


if __name__ == "__main__":
    run(main)
