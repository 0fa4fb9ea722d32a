"""Extract the features of a real set, once for all that is compared with it."""

from pathlib import Path

import numpy as np
from jsonargparse.typing import PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.training import best_device
from workflow_src.data.prepared import PreparedSet
from workflow_src.metrics.features import described, extract, make_extractor


def main(
    data: Path, output: OutputFolder, extractors: dict[str, dict], batch: PositiveInt = 32
) -> None:
    """Extract features of all images, whatever their split.

    Args:
        data: folder of the prepared set.
        output: folder of the features.
        extractors: settings of each extractor, by its name.
        batch: images at once.
    """
    prepared, device = PreparedSet(data), best_device()
    loaded = {name: make_extractor(name, device, **given) for name, given in extractors.items()}
    features = extract(loaded, prepared.images, batch, device)
    with whole_folder(output, "features.json") as folder:
        np.savez(folder / "features.npz", allow_pickle=False, **features)
        facts = {"data": prepared.meta["sha256"]}
        facts["sha256"] = file_sha256(folder / "features.npz")
        facts["extractors"] = {name: described(extractor) for name, extractor in loaded.items()}
        facts["provenance"] = provenance("workflow_src.extract_features")
        write_json(folder / "features.json", facts)


if __name__ == "__main__":
    run(main)
