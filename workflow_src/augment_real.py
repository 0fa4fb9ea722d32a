"""Make the control of the synthetic sets: real images, plainly augmented, under the same masks.

A mix with these holds as many images and the same masks as a mix with a method's images, but shows
nothing new: what it gains, more data alone gains.
"""

from pathlib import Path

import numpy as np
from jsonargparse.typing import PositiveFloat
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.outputs import OutputFolder, whole_folder
from workflow_src.common.provenance import provenance
from workflow_src.data.augmentation import moved_pair, recoloured
from workflow_src.data.prepared import PreparedSet, PreparedWriter
from workflow_src.data.synthetic import conditioning_masks, synthetic_records
from workflow_src.study.downstream import CONTROL
from workflow_src.study.synthesis import Masks


def main(
    data: Path,
    output: OutputFolder,
    per_mask: PositiveFloat,
    masks: Masks,
    seed: int = 0,
) -> None:
    """Augment real training images.

    Args:
        data: folder of the prepared set.
        output: folder of the augmented prepared set.
        per_mask: images per training mask, as the methods are sampled.
        masks: as the methods are sampled: "augmented" moves each image along with its mask.
        seed: of the augmentation.
    """
    prepared = PreparedSet(data)
    rows = prepared.rows("train")
    count = round(len(rows) * per_mask)
    chosen = conditioning_masks(count, len(rows))
    records = synthetic_records(prepared, CONTROL, count)
    with whole_folder(output, "meta.json") as folder:
        writer = PreparedWriter(folder, records, prepared.channels, prepared.size)
        for number in tqdm(range(len(records)), unit="image"):
            row = rows[chosen[number]]
            image, mask = prepared.image(row), prepared.mask(row)
            if masks == "augmented":
                image, mask = moved_pair(image, mask, number, seed)
            writer.put(number, recoloured(image, np.random.default_rng([seed, number])), mask)
        writer.finish(
            {
                "augmented_from": prepared.meta["sha256"],
                "method": CONTROL,
                "provenance": provenance("workflow_src.augment_real"),
            }
        )


if __name__ == "__main__":
    run(main)
