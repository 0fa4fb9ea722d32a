"""Dice against the size of lesions, row by row of a table."""

from pathlib import Path

import numpy as np
import pandas as pd

from workflow_src.common.command_line import run
from workflow_src.data.tables import read_table
from workflow_src.paper.measured import Runs, TableSpec, per_image_scores, read_runs
from workflow_src.paper.style import CYCLE, DASHES, log_scale, plt, save
from workflow_src.study.columns import COLUMNS, METRICS, Column

BINS = 8


def sized_scores(runs: Runs, column: Column) -> pd.DataFrame:
    """Scores of the images that show a lesion, over the trainings: value and lesion_fraction."""
    scores = per_image_scores(runs, column)
    file = runs[0][0]
    table = file.with_name(METRICS[column.kind].per_image)
    sizes = read_table(table, "lesion_fraction", marker=file.name)
    found = scores.merge(sizes[["source", "stem", "lesion_fraction"]], on=["source", "stem"])
    return found[found.lesion_fraction > 0]


def binned(scores: pd.DataFrame, bins: int = BINS) -> pd.DataFrame:
    """Means of value and lesion_fraction over images of like size, as many images in each bin."""
    ordered = scores.sort_values("lesion_fraction", kind="stable")
    place = np.arange(len(ordered)) * min(bins, len(ordered)) // max(len(ordered), 1)
    return ordered[["lesion_fraction", "value"]].groupby(place).mean()


def main(spec: TableSpec, column: str, dataset: str, output: Path) -> None:
    """Draw Dice against lesion size.

    Args:
        spec: rows and metrics files of the table.
        column: a column of the table that is a mean over images, dice or faithfulness.
        dataset: whose images are drawn.
        output: path without suffix.
    """
    measure = COLUMNS[column]
    figure, axis = plt.subplots(figsize=(4.6, 3.0))
    bounds: list[float] = []
    for row, colour, dash in zip(spec.rows, CYCLE, DASHES, strict=False):
        runs = read_runs(spec, row, dataset, measure)
        bounds = runs[0][1]["lesion_thirds"]
        scores = sized_scores(runs, measure)
        axis.plot(
            scores.lesion_fraction * 100, scores.value * 100, ".", color=colour, markersize=3,
            alpha=0.5, markeredgewidth=0,
        )  # fmt: skip
        means = binned(scores)
        axis.plot(
            means.lesion_fraction * 100, means.value * 100, dash, marker="o", color=colour,
            markersize=3, linewidth=1.2, label=spec.rows[row],
        )  # fmt: skip
    log_scale(axis.xaxis)
    for bound in bounds:
        axis.axvline(bound * 100, color="grey", linewidth=0.6, zorder=0)
    ends = [axis.get_xlim()[0], *(100 * bound for bound in bounds), axis.get_xlim()[1]]
    for name, left, right in zip(("small", "medium", "large"), ends, ends[1:], strict=False):
        if bounds and left < right:
            axis.annotate(
                name, (np.sqrt(left * right), 1), (0, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="center", fontsize=6, color="grey",
            )  # fmt: skip
    axis.set_ylim(-3, 103)
    axis.set_xlabel("lesion, % of the image")
    title = measure.title.replace("mDice", "Dice")
    axis.set_ylabel(f"{title} of an image (%)")
    axis.legend(fontsize=6, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, output)


if __name__ == "__main__":
    run(main)
