"""What a table's distances are worth: set beside those between real images, at equal numbers."""

import numpy as np
import pandas as pd

from workflow_src.paper.measured import TableSpec, read_runs
from workflow_src.study.columns import COLUMNS, Column

FLOOR = "real_halves"


def is_distance(column: Column) -> bool:
    """Whether a measure is a Fréchet distance, whose value depends on the number of images."""
    return column.path[-1] == "distance"


def at_equal_numbers(spec: TableSpec, row: str, dataset: str, column: Column) -> dict:
    """A distance over as many images as its floor, that of halves of the real training images.

    Returns:
        matched, its mean over draws and seeds, with its extremes; floor, with its own; how many
        images both are over, and how many features they have. Empty for another measure, where the
        table has no rows of real images, or where the two have no number of images in common.
    """
    if not is_distance(column) or FLOOR not in spec.real:
        return {}
    ours, theirs = (
        [found[column.extractor] for _, found in read_runs(spec, of, dataset, column)]
        for of in (row, FLOOR)
    )
    shared = set(theirs[0]["by_images"]).intersection(*(found["by_images"] for found in ours))
    if not shared:
        return {}
    images = max(shared, key=int)
    cell = {"floor_images": int(images), "dimensions": theirs[0]["dimensions"]}
    for name, found in {"matched": ours, "floor": theirs}.items():
        values = np.concatenate([facts["by_images"][images] for facts in found])
        cell |= {name: values.mean(), f"{name}_low": values.min(), f"{name}_high": values.max()}
    return cell


def remarks(cells: pd.DataFrame, spec: TableSpec) -> list[str]:
    """What made a table's distances and copies, and which differences mean nothing."""
    if "extractor" not in cells:
        return []
    made = cells[cells.extractor.notna() & cells.column.isin(spec.columns)]
    lines = []
    for extractor, part in made.groupby("extractor", sort=False):
        lines.append(f"{', '.join(_titles(part))}: features of {extractor}.")
    others = _titles(made[made.column.str.startswith("fd_")])
    if others:
        lines.append(f"{', '.join(others)}: not FID, and compared with nothing of the paper's.")
    lines += _floors(made, spec)
    if any(is_distance(COLUMNS[name]) for name in made.column):
        lines.append(
            "Distances are to the training images: a method that copies these is rewarded for it, "
            "so read them beside the share of copies."
        )
    if made.column.str.startswith("copies_").any():
        lines.append(
            "Copies: images that lie closer to a training image than any held-out real image does "
            "to one of another case."
        )
    return lines


def _titles(cells: pd.DataFrame) -> list[str]:
    return [COLUMNS[name].title for name in cells.column.unique()]


def _floors(cells: pd.DataFrame, spec: TableSpec) -> list[str]:
    """Of each distance, every row's at the floor's number of images, and the floor's spread."""
    if "floor" not in cells:
        return []
    lines = []
    for (dataset, name), part in cells.dropna(subset="floor").groupby(
        ["dataset", "column"], sort=False
    ):
        floor, written = part[part.row == FLOOR].iloc[0], COLUMNS[name].written
        few = floor.floor_images < floor.dimensions
        rows = part[part.row.isin(list(spec.rows))]
        lines.append(
            f"{spec.datasets[dataset]}, {COLUMNS[name].title}, at {floor.floor_images:.0f} images: "
            f"halves of the real training images {written(floor.floor_low)} to "
            f"{written(floor.floor_high)} apart; "
            + ", ".join(f"{row.label} {written(row.matched)}" for row in rows.itertuples())
            + f". Less than {written(floor.floor_high - floor.floor_low)} is not a difference."
            + (
                f" With fewer images than features ({floor.dimensions:.0f}) the covariances lack "
                "rank and distances are too large: compare at equal numbers alone."
                if few
                else ""
            )
        )
    return lines
