"""Training curves of the compared methods: losses, gradient norm, weights on lesion and around."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.data.tables import read_table
from workflow_src.paper.style import log_scale, plt, save

PANELS = {
    "loss_student": "student loss",
    "grad_norm": "gradient norm",
    "weight_lesion": "mean weight on lesions",
    "weight_background": "mean weight elsewhere",
}


def main(logs: dict[str, Path], output: Path) -> None:
    """Draw training curves.

    Args:
        logs: log.csv of each method, by its label.
        output: path without suffix.
    """
    figure, axes = plt.subplots(2, 2, figsize=(7, 4), sharex=True)
    for label, path in logs.items():
        log = read_table(path, "step", *PANELS, marker="recipe.json")
        for axis, column in zip(axes.flat, PANELS, strict=True):
            axis.plot(log.step, log[column], label=label, linewidth=1)
    for axis, title in zip(axes.flat, PANELS.values(), strict=True):
        axis.set_title(title, fontsize=8)
        log_scale(axis.yaxis)
    for axis in axes[1]:
        axis.set_xlabel("step")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center",
                  ncols=3, fontsize=6, frameon=False, bbox_to_anchor=(0.5, -0.08))  # fmt: skip
    save(figure, output)


if __name__ == "__main__":
    run(main)
