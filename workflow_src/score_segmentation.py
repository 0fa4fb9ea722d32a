"""Score predictions against the masks at original size: metrics.csv per image, metrics.json."""

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.predictions import Predictions
from workflow_src.data.prepared import PreparedSet
from workflow_src.metrics.crossed import Crossed, Estimate, pooled
from workflow_src.metrics.overlap import check_bounds, score_image, scores_row

MEASURES = ("dice", "iou", "dice_min_max", "iou_min_max", "dice_256", "iou_256",
            "dice_class_mean", "iou_class_mean")  # fmt: skip


def score(prepared: PreparedSet, predictions: Predictions) -> pd.DataFrame:
    """A row per predicted image: stem, source, case, duplicate_of, and its scores.

    Test images are scored against their original masks, others against the set's own.

    Raises:
        InputError: if a mask has another size than its prediction.
    """
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
        rows.append(facts | scores_row(score_image(levels, mask)))
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


def intervals(estimates: dict[str, Estimate]) -> dict[str, tuple[float, float] | None]:
    """95 % interval of each measure over cases; None where one case alone tells nothing of it."""
    ends = {measure: estimate.interval() for measure, estimate in estimates.items()}
    return {
        m: None if np.isnan(low) else (float(low), float(high)) for m, (low, high) in ends.items()
    }


def summarise(table: pd.DataFrame, missing: list[str]) -> dict:
    """Means per test set, over all images (each counted once) and over sets, with 95 % intervals.

    Sets that were asked for but are not there stand as null: not run, and in no mean.
    """
    once = table[~table.duplicate_of.isin((table.source + "/" + table.stem).tolist())]
    groups = {name: part for name, part in table.groupby("source")} | {"all": once}
    sets: dict = {}
    found = {}
    for name, part in groups.items():
        means = {m: float(part[m].mean()) for m in MEASURES}
        found[name] = {m: Crossed([part[[m]].to_numpy().T], part.case).estimate() for m in MEASURES}
        sets[name] = {"images": len(part), **means, "interval": intervals(found[name])}
    names = [name for name in groups if name != "all"]
    over_sets: dict = {m: float(np.mean([sets[n][m] for n in names])) for m in MEASURES}
    over_sets["interval"] = intervals({m: pooled([found[n][m] for n in names]) for m in MEASURES})
    for name, means in {**sets, "mean of sets": over_sets}.items():
        for dice, iou in zip(MEASURES[::2], MEASURES[1::2], strict=True):
            check_bounds(means[dice], means[iou], f"{name}, {iou}")
    return {
        "all": sets.pop("all"),
        "mean_of_sets": over_sets,
        "sets": sets | dict.fromkeys(missing),
        "repeated_images": len(table) - len(once),
    }


def main(data: Path, predictions: Path, output: Path) -> None:
    """Score predictions.

    Args:
        data: folder of the prepared set predicted on.
        predictions: folder of the predictions.
        output: folder for metrics.csv and metrics.json.
    """
    prepared = PreparedSet(data)
    predicted = Predictions(predictions, prepared)
    if not len(predicted.rows):
        raise InputError(f"{predictions} holds no image to score: {data} has no test images")
    table = score(prepared, predicted)
    with whole_folder(output, "metrics.json") as folder:
        table.to_csv(folder / "metrics.csv", index=False)
        facts = summarise(table, prepared.meta.get("missing_sets", []))
        facts |= {
            "cases": case_facts(prepared, predicted.rows),
            "predictions": predicted.facts["sha256"],
            "model": predicted.facts.get("model"),
            "data": prepared.meta["sha256"],
            "provenance": provenance("workflow_src.score_segmentation"),
        }
        write_json(folder / "metrics.json", facts)


if __name__ == "__main__":
    run(main)
