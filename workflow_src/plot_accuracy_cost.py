"""Accuracy against parameters and operations: ours, and the paper's points if it has any."""

from itertools import cycle
from pathlib import Path

from matplotlib.lines import Line2D

from workflow_src.common.command_line import run
from workflow_src.data.tables import read_table
from workflow_src.paper.style import BLUE, RED, log_scale, plt, save

MARKERS = "osD^vP*X<>"


def main(table: Path, dataset: str, output: Path) -> None:
    """Draw accuracy against cost.

    Args:
        table: csv of a table with parameters, gflops and dice.
        dataset: whose scores are drawn.
        output: path without suffix.
    """
    cells = read_table(table).query("dataset == @dataset")
    # The csv has no column that is empty, such as the paper's figures of a data set that it lacks.
    cells = cells.reindex(columns=["label", "column", "mean", "published"])
    sources = {"mean": BLUE} | ({"published": RED} if cells.published.notna().any() else {})
    markers = dict(zip(cells.label.unique(), cycle(MARKERS), strict=False))
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharey=True)
    for axis, cost, title in (
        (axes[0], "parameters", "parameters"),
        (axes[1], "gflops", "GFLOPs (2 × MAC)"),
    ):
        for source, colour in sources.items():
            wide = cells.pivot(index="label", columns="column", values=source)
            for label, point in wide.reindex(columns=[cost, "dice"]).astype(float).iterrows():
                filled = colour if source == "mean" else "none"
                axis.scatter(*point, marker=markers[label], s=22, edgecolor=colour, color=filled)
        log_scale(axis.xaxis)
        axis.set_xlabel(title)
    axes[0].set_ylabel("mDice (%)")
    key = [("ours", "s", BLUE, BLUE)]
    key += [("paper", "s", "none", RED)] if "published" in sources else []
    key += [(label, marker, "none", "black") for label, marker in markers.items()]
    handles = [
        Line2D([], [], linestyle="", marker=marker, markersize=4, label=label,
               markerfacecolor=face, markeredgecolor=edge)
        for label, marker, face, edge in key
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=7,
                  bbox_to_anchor=(1.06, 0.5))  # fmt: skip
    save(figure, output)


if __name__ == "__main__":
    run(main)
