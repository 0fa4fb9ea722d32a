"""Training curves of the light segmenters: loss, and Dice on the validation images."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.data.tables import read_table
from workflow_src.paper.style import plt, save


def main(logs: dict[str, Path], validation: dict[str, Path], output: Path) -> None:
    """Draw training curves.

    Args:
        logs: log.csv of each segmenter, by its label.
        validation: validation.csv, likewise; the first of its highest, marked, is of the
            weights that are kept.
        output: path without suffix.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.4))
    for label in logs:
        log = read_table(logs[label], "step", "loss", marker="recipe.json")
        looks = read_table(validation[label], "step", "dice", marker="recipe.json")
        left.plot(log.step, log.loss, label=label, linewidth=1)
        (line,) = right.plot(looks.step, looks.dice * 100, linewidth=1)
        best = looks[looks.dice == looks.dice.max()][:1]
        right.plot(best.step, best.dice * 100, "o", color=line.get_color(), markersize=3)
    left.set_title("loss", fontsize=8)
    right.set_title("Dice on the validation images (%)", fontsize=8)
    for axis in (left, right):
        axis.set_xlabel("step")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center",
                  ncols=4, fontsize=6, frameon=False, bbox_to_anchor=(0.5, -0.16))  # fmt: skip
    save(figure, output)


if __name__ == "__main__":
    run(main)
