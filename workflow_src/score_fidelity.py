"""Score a synthetic set against the real training set: FID, KID, CLIP-I."""

from pathlib import Path

import numpy as np

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.json_files import read_json
from workflow_src.common.outputs import write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.training import best_device
from workflow_src.data.prepared import PreparedSet
from workflow_src.data.synthetic import conditioning_masks


def main(
    data: Path, features: Path, output: Path, inception: str, clip: str, batch: int = 32
) -> None:
    """Score fidelity.

    Args:
        data: folder of the synthetic prepared set.
        features: folder of the real set's features.
        output: the metrics, a json file.
        inception: weights for FID and KID, or "stand-in".
        clip: weights for CLIP-I, or "stand-in".
        batch: images at once.
    """
    from workflow_src.metrics.features import features_of
    from workflow_src.metrics.fidelity import clip_i, frechet_distance, kernel_distance

    synthetic = PreparedSet(data)
    facts = read_json(features / "features.json")
    if synthetic.meta["conditioned_on"] != facts["data"]:
        raise InputError(f"{data} was not made from the set whose features are in {features}")
    real = np.load(features / "features.npz")
    images = synthetic.images[synthetic.rows("train")]
    ours, names = features_of(images, inception, clip, batch, best_device())
    if any(names[kind] != facts[kind] for kind in names):
        raise InputError(f"{features} was made by other extractors: extract the features again")
    pairs = conditioning_masks(len(synthetic), len(real["clip"]))
    write_json(
        output,
        {
            "fid": frechet_distance(real["inception"], ours["inception"]),
            **kernel_distance(real["inception"], ours["inception"]),
            **clip_i(real["clip"], ours["clip"], pairs),
            "real_images": len(real["inception"]),
            "synthetic_images": len(synthetic),
            **names,
            "data": synthetic.meta["sha256"],
            "provenance": provenance("workflow_src.score_fidelity"),
        },
    )


if __name__ == "__main__":
    run(main)
