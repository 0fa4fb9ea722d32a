"""Dice against the part of the real images in nnU-Net's training, alone or with synthetic ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workflow_src.common.command_line import run
from workflow_src.paper.measured import TableSpec, read_runs
from workflow_src.paper.paired import mean_of
from workflow_src.paper.style import CYCLE, DASHES, plt, save
from workflow_src.study.columns import COLUMNS


@dataclass
class Part:
    """Where a mix stands.

    Args:
        real_fraction: of the real training images.
        series: what else is in it, the name of its line.
    """

    real_fraction: float
    series: str


def main(spec: TableSpec, parts: dict[str, Part], dataset: str, output: Path) -> None:
    """Draw Dice against the real fraction, a line for each kind of synthetic images.

    Args:
        spec: rows and metrics files of a table of mixes.
        parts: where each row stands.
        dataset: whose test images count.
        output: path without suffix.
    """
    column = COLUMNS["dice"]
    figure, axis = plt.subplots(figsize=(4.4, 2.8))
    series = list(dict.fromkeys(part.series for part in parts.values()))
    for number, name in enumerate(series):
        points = []
        for row, part in parts.items():
            measured = mean_of(read_runs(spec, row, dataset, column), column)
            if part.series == name and measured is not None:
                points.append(
                    (part.real_fraction, measured.estimate.value, *measured.estimate.interval())
                )
        if not points:
            continue
        x, y, low, high = np.array(sorted(points), float).T
        beside = 0.6 * (number - (len(series) - 1) / 2)  # so that intervals are not on one another
        colour, dash = CYCLE[number % len(CYCLE)], DASHES[number % len(DASHES)]
        axis.errorbar(
            100 * x + beside, y, [np.nan_to_num(y - low), np.nan_to_num(high - y)], fmt=dash,
            marker="o", color=colour, markersize=3, linewidth=1.2, elinewidth=0.8, capsize=2,
            label=name,
        )  # fmt: skip
    axis.set_xlim(-4, 104)
    axis.set_xlabel("real training images that are in, %")
    axis.set_ylabel(f"{column.title} (%)")
    axis.legend(fontsize=6, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, output)


if __name__ == "__main__":
    run(main)
