"""Accuracy against parameters and operations: ours and the paper's points, from Table 3."""

from pathlib import Path

import pandas as pd

from workflow_src.command import run
from workflow_src.paper.style import BLUE, RED, plt, save


def main(table: Path, dataset: str, output: Path) -> None:
    """Draw accuracy against cost.

    Args:
        table: csv of Table 3.
        dataset: whose scores are drawn.
        output: path without suffix.
    """
    cells = pd.read_csv(table).query("dataset == @dataset")
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharey=True)
    for axis, cost, title in (
        (axes[0], "parameters", "parameters"),
        (axes[1], "gflops", "GFLOPs (2 × MAC)"),
    ):
        for source, colour, name in (("mean", BLUE, "ours"), ("published", RED, "paper")):
            wide = cells.pivot(index="label", columns="column", values=source)
            if {cost, "dice"} <= set(wide) and wide[[cost, "dice"]].notna().any(axis=None):
                x, y = wide[cost].astype(float), wide["dice"].astype(float)
                axis.scatter(x, y, color=colour, label=name, s=18,
                             marker="o" if source == "mean" else "x")  # fmt: skip
                drawn = wide.index[x.notna() & y.notna()]
                for place, label in enumerate(sorted(drawn, key=x.get)):
                    # above and below in turn, so that neighbours' names do not meet
                    axis.annotate(
                        label,
                        (x[label], y[label]),
                        fontsize=5,
                        color=colour,
                        xytext=(3, -7 if place % 2 else 3),
                        textcoords="offset points",
                    )
        axis.set_xscale("log")
        axis.set_xlabel(title)
    axes[0].set_ylabel("mDice (%)")
    axes[0].legend(frameon=False, fontsize=7)
    save(figure, output)


if __name__ == "__main__":
    run(main)
