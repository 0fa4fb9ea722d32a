"""Score predictions against the masks at original size, image by image and case by case.

metrics.csv has one row per image, cases.csv one per case; metrics.json and cases.json their means.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from jsonargparse.typing import PositiveFloat
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.predictions import Predictions
from workflow_src.data.prepared import PreparedSet
from workflow_src.metrics.lesion_sizes import bounds_of, size_of
from workflow_src.metrics.lesions import score_lesions
from workflow_src.metrics.overlap import HALF, score_image, scores_row
from workflow_src.metrics.summary import by_case, by_size, case_means, summarise


def score(
    prepared: PreparedSet, predictions: Predictions, bounds: list[float], tolerance: float | None
) -> pd.DataFrame:
    """A row per predicted image: stem, source, case, duplicate_of, lesion size, and its scores.

    Test images are scored against their original masks, others against the set's own.

    Args:
        prepared: the set predicted on.
        predictions: made on it.
        bounds: of the lesions' sizes.
        tolerance: of the surface Dice, in mm where the set says how large pixels are; None leaves
            the boundaries unscored.

    Raises:
        InputError: if a mask has another size than its prediction.
    """
    if tolerance is not None:
        from workflow_src.metrics.boundary import score_boundary
    spacing = prepared.meta.get("spacing_mm", {})
    rows = []
    for number, row in enumerate(tqdm(predictions.rows, unit="image")):
        tested = prepared.index.split[row] == "test"
        mask = prepared.original_mask(row) if tested else prepared.mask(row)
        index, levels = prepared.index.iloc[row], predictions.levels(number)
        if levels.shape != mask.shape:
            raise InputError(
                f"{index.source}/{index.stem} is predicted at {levels.shape} but {prepared.folder} "
                f"keeps its mask at {mask.shape}: of training images a set of native sizes keeps "
                "the original masks"
            )
        facts = {name: index[name] for name in ("stem", "source", "case")}
        facts["duplicate_of"] = index.get("duplicate_of", "")
        facts["lesion_fraction"] = float(mask.mean())
        facts["lesion_size"] = size_of(facts["lesion_fraction"], bounds)
        predicted, true = levels >= HALF, mask > 0
        facts |= scores_row(score_image(levels, mask))
        facts |= scores_row(score_lesions(predicted, true))
        if tolerance is not None:
            apart = spacing.get(index.case, (1.0, 1.0))
            facts |= scores_row(score_boundary(predicted, true, tolerance, apart))
        rows.append(facts)
    return pd.DataFrame(rows)


def case_facts(prepared: PreparedSet, rows: np.ndarray) -> dict[str, int]:
    """Cases of the scored images: how many, of how many images guessed, how many trained on too."""
    index = prepared.index.iloc[rows]
    cases = set(index.case)
    return {
        "count": len(cases),
        "guessed_images": int(index.get("case_guessed", pd.Series(dtype=int)).sum()),
        "shared": len(cases & set(prepared.meta.get("shared_cases", []))),
    }


def main(
    data: Path,
    predictions: Path,
    real: Path,
    output: OutputFolder,
    tolerance: PositiveFloat | None = None,
) -> None:
    """Score predictions.

    Args:
        data: folder of the prepared set predicted on.
        predictions: folder of the predictions.
        real: folder of the real prepared set, whose training lesions say what is small and large.
        output: folder for the scores.
        tolerance: of the normalised surface Dice, in mm where the set says how large its pixels
            are, else in pixels; without one, boundaries are not scored.
    """
    prepared = PreparedSet(data)
    predicted = Predictions(predictions, prepared)
    if not len(predicted.rows):
        raise InputError(f"{predictions} holds no image to score: {data} has no test images")
    trained_on = PreparedSet(real)
    bounds = bounds_of(trained_on.index.lesion_fraction[trained_on.rows("train")].to_numpy())
    table = score(prepared, predicted, bounds, tolerance)
    with whole_folder(output, "metrics.json") as folder:
        table.to_csv(folder / "metrics.csv", index=False)
        cases = by_case(table)
        cases.to_csv(folder / "cases.csv", index=False)
        unit = "mm" if prepared.meta.get("spacing_mm") else "pixels"
        shared = {
            "cases": case_facts(prepared, predicted.rows),
            "files": {name: file_sha256(folder / name) for name in ("metrics.csv", "cases.csv")},
            "predictions": predicted.facts["sha256"],
            "model": predicted.facts.get("model"),
            "data": prepared.meta["sha256"],
            "provenance": provenance("workflow_src.score_segmentation"),
        }
        write_json(folder / "cases.json", case_means(cases) | shared)
        facts = summarise(table, prepared.meta.get("missing_sets", []))
        facts |= {"by_size": by_size(table), "lesion_thirds": bounds}
        facts["boundary"] = None if tolerance is None else {"tolerance": tolerance, "unit": unit}
        write_json(folder / "metrics.json", facts | shared)


if __name__ == "__main__":
    run(main)
