"""Score real images against real images: what the scores of synthetic ones are worth."""

from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse.typing import PositiveFloat

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.json_files import facts_of
from workflow_src.common.outputs import OutputFolder, whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.arrays import check_file, loaded_arrays
from workflow_src.data.prepared import PreparedSet
from workflow_src.metrics.floors import floor, sizes
from workflow_src.metrics.neighbours import copies, nearest_of


def main(data: Path, features: Path, output: OutputFolder, per_mask: PositiveFloat = 1.0) -> None:
    """Score the training images' halves against each other, and test against training images.

    Args:
        data: folder of the real prepared set.
        features: folder of its features.
        output: folder of the scores, real_halves.json and real_test.json.
        per_mask: synthetic images per training image, so that as many real ones are compared.
    """
    prepared = PreparedSet(data)
    with facts_of(features / "features.json") as facts:
        check_file(features / "features.npz", facts["sha256"])
        extractors, made_from = facts["extractors"], facts["data"]
    if prepared.meta["sha256"] != made_from:
        raise InputError(f"{features} was made from another set than {data}: extract them again")
    train, test = prepared.rows("train"), prepared.rows("test")
    images = sizes(len(train), round(len(train) * per_mask))
    fewer = [size for size in images if size <= len(test)] or [len(test)]
    halves: dict[str, Any] = {"real_images": len(train), "images": images[-1]}
    tested: dict[str, Any] = {"real_images": len(train), "images": fewer[-1]}
    found = loaded_arrays(features / "features.npz")
    for name, extractor in extractors.items():
        real, held_out = found[name][train], found[name][test]
        bound = closest_real(found[name], prepared)
        itself = np.arange(len(train))
        _, others = nearest_of(real, real, (itself, itself))
        halves[name] = extractor | floor(images, real) | {"closest_real": bound}
        halves[name]["copies"] = None if bound is None else float((others < bound).mean())
        tested[name] = extractor | floor(fewer, real, held_out)
        tested[name] |= copies(held_out, real, bound, test, train)
    with whole_folder(output, "real_halves.json") as folder:
        for file, scores in {"real_test": tested, "real_halves": halves}.items():
            scores |= {"data": made_from, "provenance": provenance("workflow_src.score_floors")}
            write_json(folder / f"{file}.json", scores)


def closest_real(features: np.ndarray, prepared: PreparedSet) -> float | None:
    """The smallest distance of a held-out image to a training image of another case.

    Args:
        features: (N, D) of all images of the set. One that is another's copy does not count.
        prepared: the set.

    Returns:
        None if no image is held out.
    """
    case, train = prepared.index.case.to_numpy(), prepared.rows("train")
    held_out = prepared.rows("val", "test")
    if "duplicate_of" in prepared.index:
        held_out = held_out[prepared.index.duplicate_of[held_out] == ""]
    _, apart = nearest_of(features[held_out], features[train], (case[held_out], case[train]))
    return float(apart.min()) if np.isfinite(apart).any() else None


if __name__ == "__main__":
    run(main)
