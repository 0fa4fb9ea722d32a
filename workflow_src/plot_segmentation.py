"""Figure 7: best, median and worst predictions of a segmenter, by Dice, not picked by hand."""

from pathlib import Path

import numpy as np

from workflow_src.common.command_line import run
from workflow_src.data.predictions import Predictions
from workflow_src.data.prepared import PreparedSet, resize_image
from workflow_src.data.tables import read_table
from workflow_src.metrics.overlap import HALF
from workflow_src.paper.style import grid, save, show

SIDE = 192  # pixels a picture is shown with
COLOURS = {"hit": (255, 255, 255), "missed": (0, 114, 178), "false alarm": (230, 159, 0)}


def errors(mask: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Picture (H, W, 3) of hits, misses and false alarms."""
    picture = np.zeros((*mask.shape, 3), np.uint8)
    picture[(mask > 0) & predicted] = COLOURS["hit"]
    picture[(mask > 0) & ~predicted] = COLOURS["missed"]
    picture[(mask == 0) & predicted] = COLOURS["false alarm"]
    return picture


def main(
    data: Path, predictions: Path, scores: Path, output: Path, label: str, each: int = 2
) -> None:
    """Draw Figure 7.

    Args:
        data: folder of the prepared set predicted on.
        predictions: folder of the predictions.
        scores: metrics.csv of the predictions.
        output: path without suffix.
        label: name of the segmenter.
        each: how many best, median and worst cases.
    """
    prepared = PreparedSet(data)
    predicted = Predictions(predictions, prepared)
    dice = read_table(scores, "dice", marker="metrics.json").dice.to_numpy()
    order = np.argsort(-dice, kind="stable")
    middle = max(len(order) // 2 - each // 2, 0)
    groups = {"best": order[:each], "median": order[middle : middle + each], "worst": order[-each:]}
    chosen = [(name, int(n)) for name, numbers in groups.items() for n in numbers]
    figure, axes = grid(len(chosen), 4)
    for line, (name, number) in zip(axes, chosen, strict=True):
        row = predicted.rows[number]
        mask, said = prepared.original_mask(row), predicted.levels(number) >= HALF
        pictures = (
            np.asarray(prepared.image(row)),
            mask[..., None] * np.uint8(255),
            said[..., None] * np.uint8(255),
            errors(mask, said),
        )
        for axis, picture in zip(line, pictures, strict=True):
            show(axis, resize_image(picture, SIDE))
        line[0].set_ylabel(f"{name}\nDice {dice[number]:.2f}", fontsize=6)
    titles = ("image", "truth", label, "errors")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=7)
    figure.text(0.5, 0.07, "white hit, blue missed, orange false alarm", ha="center", fontsize=6)
    save(figure, output)


if __name__ == "__main__":
    run(main)
