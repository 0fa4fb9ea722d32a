"""Extract the features of a real training set, once for all methods that are compared with it."""

from pathlib import Path

import numpy as np

from workflow_src.common.command_line import run
from workflow_src.common.outputs import whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.training import best_device
from workflow_src.data.prepared import PreparedSet
from workflow_src.metrics.features import features_of


def main(data: Path, output: Path, inception: str, clip: str, batch: int = 32) -> None:
    """Extract features.

    Args:
        data: folder of the prepared set.
        output: folder of the features.
        inception: weights for FID and KID, or "stand-in".
        clip: weights for CLIP-I, or "stand-in".
        batch: images at once.
    """
    prepared = PreparedSet(data)
    images = prepared.images[prepared.rows("train")]
    features, names = features_of(images, inception, clip, batch, best_device())
    with whole_folder(output, "features.json") as folder:
        np.savez(folder / "features.npz", **features)
        facts = {"data": prepared.meta["sha256"], **names}
        facts["provenance"] = provenance("workflow_src.extract_features")
        write_json(folder / "features.json", facts)


if __name__ == "__main__":
    run(main)
