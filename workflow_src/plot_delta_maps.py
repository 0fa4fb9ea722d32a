"""Figure 8: LAW's δ maps at the start, half-way and at the end of training, under their masks."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.data.arrays import check_made, loaded_arrays
from workflow_src.paper.style import grid, plt, save, show


def main(trained: Path, output: Path) -> None:
    """Draw Figure 8.

    Args:
        trained: folder of a ControlNet trained with LAW.
        output: path without suffix.
    """
    check_made(trained / "recipe.json")
    files = sorted(trained.glob("delta_*.npz"))
    if not files:
        raise InputError(f"{trained} holds no delta_*.npz: it was not trained with LAW")
    snapshots = {int(file.stem.removeprefix("delta_")): loaded_arrays(file) for file in files}
    masks = next(iter(snapshots.values()))["mask"]
    figure, axes = grid(1 + len(snapshots), len(masks))
    for axis, mask in zip(axes[0], masks, strict=True):
        show(axis, mask * 255)
    axes[0][0].set_ylabel("mask", fontsize=7)
    for line, (step, snapshot) in zip(axes[1:], snapshots.items(), strict=True):
        for axis, delta in zip(line, snapshot["delta"], strict=True):
            drawn = axis.imshow(delta, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
        line[0].set_ylabel(f"δ, step {step}", fontsize=7)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.02, pad=0.02)
    bar.set_label("δ", rotation=0)
    bar.outline.set_visible(False)
    plt.setp(bar.ax.get_yticklabels(), fontsize=6)
    save(figure, output)


if __name__ == "__main__":
    run(main)
