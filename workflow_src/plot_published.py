"""Measured against published: a line per row from the paper's number to ours."""

from pathlib import Path

import pandas as pd

from workflow_src.common.command_line import run
from workflow_src.data.tables import read_table
from workflow_src.paper.style import CYCLE, DASHES, plt, save
from workflow_src.study.columns import COLUMNS

MEASURES = ("fid", "clip_i", "faithfulness", "dice")


def panels(tables: dict[str, Path]) -> list[tuple[str, pd.DataFrame]]:
    """Title and cells of each panel: a measure of a table and data set with both numbers."""
    found = []
    for table, path in tables.items():
        cells = read_table(path)
        if "difference" not in cells:
            continue
        cells = cells[cells.difference.notna() & cells.column.isin(MEASURES)]
        for (dataset, name), part in cells.groupby(["dataset", "column"], sort=False):
            found.append((f"Table {table}, {dataset}\n{COLUMNS[name].title}", part))
    return found


def main(tables: dict[str, Path], output: Path, across: int = 3) -> None:
    """Draw the slope charts.

    What has no difference to the paper's is left out: what the paper lacks, and phantoms.

    Args:
        tables: csv files of the tables, by name.
        output: path without suffix.
        across: panels in a row.
    """
    drawn = panels(tables)
    rows = max(1, -(-len(drawn) // across))
    figure, axes = plt.subplots(rows, across, figsize=(2.3 * across, 2.6 * rows), squeeze=False)
    for axis in axes.flat[len(drawn) :]:
        axis.set_visible(False)
    for axis, (title, cells) in zip(axes.flat, drawn, strict=False):
        for line, colour, dash in zip(cells.itertuples(), CYCLE, DASHES, strict=False):
            ends = [float(line.published), line.mean]
            axis.plot([0, 1], ends, dash, color=colour, marker="o", markersize=3, linewidth=1,
                      label=line.label)  # fmt: skip
        axis.set_xticks([0, 1], ["paper", "ours"])
        axis.set_xlim(-0.2, 1.2)
        axis.set_title(title, fontsize=7)
        axis.tick_params(labelsize=6)
        axis.legend(fontsize=5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    if not drawn:
        nothing = "no measure of this study can be compared with the paper's"
        figure.text(0.5, 0.5, nothing, ha="center")
    figure.tight_layout()
    save(figure, output)


if __name__ == "__main__":
    run(main)
