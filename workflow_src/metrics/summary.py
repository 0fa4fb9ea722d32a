"""From scores of images to those of test sets, of thirds by lesion size, and of whole cases."""

import numpy as np
import pandas as pd

from workflow_src.metrics.crossed import Crossed, Estimate, pooled
from workflow_src.metrics.lesion_sizes import SIZES
from workflow_src.metrics.overlap import DIGITS, check_bounds, dice_iou

PAIRS = (("dice", "iou"), ("dice_min_max", "iou_min_max"), ("dice_256", "iou_256"),
         ("dice_class_mean", "iou_class_mean"))  # fmt: skip
OTHERS = ("sensitivity", "precision", "lesion_recall", "false_lesions", "nsd", "hd95")
MEASURES = (*(measure for pair in PAIRS for measure in pair), *OTHERS)


def each_once(table: pd.DataFrame) -> pd.DataFrame:
    """The images but for copies of others in the table."""
    return table[~table.duplicate_of.isin((table.source + "/" + table.stem).tolist())]


def summarise(table: pd.DataFrame, missing: list[str]) -> dict:
    """Means per test set, over all images (each counted once) and over sets, with 95 % intervals.

    Sets that were asked for but are not there stand as null: not run, and in no mean.

    Args:
        table: one row per image, with source, stem, case, duplicate_of and any of MEASURES.
        missing: names of those sets.
    """
    once = each_once(table)
    groups = {name: part for name, part in table.groupby("source")} | {"all": once}
    measures = _measured(table)
    sets: dict = {}
    found = {}
    for name, part in groups.items():
        found[name] = {m: Crossed([part[[m]].to_numpy().T], part.case).estimate() for m in measures}
        sets[name] = _means(part) | {"interval": _intervals(found[name])}
    names = [name for name in groups if name != "all"]
    over_sets: dict = {m: float(np.mean([sets[n][m] for n in names])) for m in measures}
    over_sets["interval"] = _intervals({m: pooled([found[n][m] for n in names]) for m in measures})
    for name, means in {**sets, "mean of sets": over_sets}.items():
        for dice, iou in PAIRS:
            check_bounds(means[dice], means[iou], f"{name}, {iou}")
    return {
        "all": sets.pop("all"),
        "mean_of_sets": over_sets,
        "sets": sets | dict.fromkeys(missing),
        "repeated_images": len(table) - len(once),
    }


def by_size(table: pd.DataFrame) -> dict[str, dict | None]:
    """Means over the images of each size of lesions, each counted once; None where there are none.

    Args:
        table: as of `summarise`, with lesion_size.
    """
    once = each_once(table)
    parts = {size: once[once.lesion_size == size] for size in SIZES}
    return {size: _means(part) if len(part) else None for size, part in parts.items()}


def by_case(table: pd.DataFrame) -> pd.DataFrame:
    """Dice and IoU of each case, over the pixels of all its images, each counted once.

    Of a volume it is the Dice of the volume's slices together, as challenges report it, where the
    mean over slices weighs a slice that grazes the organ like any other.

    Returns:
        One row per case, in the columns of a table of images; the stem is the case, too.
    """
    counts = ["overlap_pixels", "predicted_pixels", "lesion_pixels"]
    cases = each_once(table).groupby(["source", "case"], sort=False)[counts].sum().reset_index()
    dice, iou = dice_iou(*(cases[count].to_numpy() for count in counts))
    facts = {"stem": cases.case, "source": cases.source, "case": cases.case, "duplicate_of": ""}
    return pd.DataFrame({**facts, "dice": dice.round(DIGITS), "iou": iou.round(DIGITS)})


def case_means(cases: pd.DataFrame) -> dict:
    """Means over cases, from `by_case`."""
    means = {measure: float(cases[measure].mean()) for measure in ("dice", "iou")}
    check_bounds(means["dice"], means["iou"], "cases")
    return {"all": {"cases": len(cases), **means}}


def _measured(table: pd.DataFrame) -> list[str]:
    return [measure for measure in MEASURES if measure in table]


def _means(part: pd.DataFrame) -> dict:
    means = {measure: float(part[measure].mean()) for measure in _measured(part)}
    return {"images": len(part), **means}


def _intervals(estimates: dict[str, Estimate]) -> dict[str, tuple[float, float] | None]:
    """95 % interval of each measure over cases; None where one case alone tells nothing of it."""
    ends = {measure: estimate.interval() for measure, estimate in estimates.items()}
    return {
        m: None if np.isnan(low) else (float(low), float(high)) for m, (low, high) in ends.items()
    }
