"""Extract the features of a real training set, once for all methods that are compared with it."""

from pathlib import Path

import numpy as np

from workflow_src.command import run
from workflow_src.data.prepared import PreparedSet
from workflow_src.runs import provenance, whole_folder, write_json

KINDS = ("inception", "clip")


def features_of(data: Path, inception: str, clip: str, batch: int) -> tuple[dict, dict]:
    """Features of a set's training images by kind, and the extractors' names and resizing."""
    from workflow_src.metrics.features import extract, make_extractor
    from workflow_src.training import best_device

    prepared, device = PreparedSet(data), best_device()
    images = prepared.images[prepared.rows("train")]
    features, names = {}, {}
    for kind, weights in zip(KINDS, (inception, clip), strict=True):
        extractor = make_extractor(kind, weights, device)
        features[kind] = extract(extractor, images, batch, device)
        names[kind] = {"extractor": extractor.name, "resize": extractor.resize}
    return features, names


def main(data: Path, output: Path, inception: str, clip: str, batch: int = 32) -> None:
    """Extract features.

    Args:
        data: folder of the prepared set.
        output: folder of the features.
        inception: weights for FID and KID, or "stand-in".
        clip: weights for CLIP-I, or "stand-in".
        batch: images at once.
    """
    features, names = features_of(data, inception, clip, batch)
    with whole_folder(output, "features.json") as folder:
        np.savez(folder / "features.npz", **features)
        facts = {"data": PreparedSet(data).meta["sha256"], **names}
        facts["provenance"] = provenance("workflow_src.extract_features")
        write_json(folder / "features.json", facts)


if __name__ == "__main__":
    run(main)
