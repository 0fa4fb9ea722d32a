"""Score a synthetic set against the real training set: distances, neighbours, copies."""

from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse.typing import PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.json_files import facts_of
from workflow_src.common.outputs import write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.training import best_device
from workflow_src.data.arrays import check_file, loaded_arrays
from workflow_src.data.prepared import PreparedSet
from workflow_src.data.synthetic import conditioning_masks


def main(
    data: Path,
    real: Path,
    features: Path,
    floors: Path,
    output: Path,
    extractors: dict[str, dict],
    batch: PositiveInt = 32,
) -> None:
    """Score fidelity.

    Args:
        data: folder of the synthetic prepared set.
        real: folder of the real prepared set that it was made from.
        features: folder of the real set's features.
        floors: folder of the scores of real against real images.
        output: the metrics, a json file.
        extractors: settings of each extractor, by its name.
        batch: images at once.
    """
    from workflow_src.metrics.features import described, extract, make_extractor
    from workflow_src.metrics.fidelity import scores
    from workflow_src.metrics.floors import distances
    from workflow_src.metrics.neighbours import copies

    synthetic, train = PreparedSet(data), PreparedSet(real).rows("train")
    with facts_of(features / "features.json") as facts:
        check_file(features / "features.npz", facts["sha256"])
        made_from, known = facts["data"], facts["extractors"]
    if synthetic.meta["conditioned_on"] != made_from:
        raise InputError(f"{data} was not made from the set whose features are in {features}")
    device = best_device()
    loaded = {name: make_extractor(name, device, **given) for name, given in extractors.items()}
    if {name: described(extractor) for name, extractor in loaded.items()} != known:
        raise InputError(f"{features} was made by other extractors: extract the features again")
    ours = extract(loaded, synthetic.images, batch, device)
    pairs = conditioning_masks(len(synthetic), len(train))
    result: dict[str, Any] = {"real_images": len(train), "images": len(synthetic)}
    theirs = loaded_arrays(features / "features.npz")
    with facts_of(floors / "real_halves.json") as halves:
        for name in loaded:
            training, made = theirs[name][train], ours[name]
            closest, images = (
                halves[name]["closest_real"],
                [int(n) for n in halves[name]["by_images"]],
            )
            result[name] = {
                **known[name],
                **scores(training, made, pairs),
                "by_images": distances(images, training, made),
                **copies(made, training, closest, np.arange(len(made)), train),
            }
    result |= {
        "data": synthetic.meta["sha256"],
        "provenance": provenance("workflow_src.score_fidelity"),
    }
    write_json(output, result)


if __name__ == "__main__":
    run(main)
