"""How Dice is distributed over the images of each test set, model by model."""

from pathlib import Path

import numpy as np

from workflow_src.common.command_line import run
from workflow_src.paper.measured import TableSpec, per_image_scores, read_runs
from workflow_src.paper.style import CYCLE, plt, save
from workflow_src.study.columns import COLUMNS


def main(spec: TableSpec, dataset: str, output: Path) -> None:
    """Draw the distributions.

    Args:
        spec: rows and metrics files of a table of models.
        dataset: whose test sets are drawn.
        output: path without suffix.
    """
    column = COLUMNS["dice"]
    scores = {
        label: per_image_scores(read_runs(spec, row, dataset, column), column)
        for row, label in spec.rows.items()
    }
    sets = list(dict.fromkeys(source for table in scores.values() for source in table.source))
    figure, axes = plt.subplots(
        1, len(sets), figsize=(max(3.5, 1.8 * len(sets)), 2.6), sharey=True, squeeze=False
    )
    for axis, name in zip(axes[0], sets, strict=True):
        parts = [table.value[table.source == name] * 100 for table in scores.values()]
        for place, (values, colour) in enumerate(zip(parts, CYCLE, strict=False)):
            spread = np.random.default_rng(place).uniform(-0.25, 0.25, len(values))
            axis.plot(place + spread, values, ".", color=colour, markersize=2, alpha=0.6)
            axis.boxplot(
                values, positions=[place], widths=0.6, showfliers=False, showmeans=True,
                medianprops={"color": "black"},
                meanprops={"marker": "D", "markersize": 3, "markerfacecolor": "black",
                           "markeredgecolor": "black"},
            )  # fmt: skip
        axis.set_xticks(range(len(scores)), scores, rotation=60, ha="right", fontsize=6)
        axis.set_title(f"{name} ({max(map(len, parts))})", fontsize=7)
    axes[0][0].set_ylabel("Dice of an image (%)")
    save(figure, output)


if __name__ == "__main__":
    run(main)
