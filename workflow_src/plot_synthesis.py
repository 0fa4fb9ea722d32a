"""Figure 6: for some masks, every method's image and the mask's outline on it, from one noise."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.data.prepared import PreparedSet
from workflow_src.data.synthetic import conditioning_masks
from workflow_src.paper.style import grid, save, show, spread_rows


def main(data: Path, synthetic: dict[str, Path], output: Path, examples: int) -> None:
    """Draw Figure 6.

    Args:
        data: folder of the real prepared set.
        synthetic: folder of each method's synthetic set, by the method's label.
        output: path without suffix.
        examples: masks to show, spread over the lesion sizes.
    """
    real = PreparedSet(data)
    sets = {label: PreparedSet(folder) for label, folder in synthetic.items()}
    rows = real.rows("train")
    counts = {len(made) for made in sets.values()}
    if len(counts) > 1:
        raise InputError(f"the synthetic sets hold {sorted(counts)} images: sample all alike")
    rows = rows[conditioning_masks(counts.pop(), len(rows))]
    sizes = real.index.lesion_fraction.to_numpy()[rows]
    chosen = spread_rows(sizes, min(examples, len(rows)))
    figure, axes = grid(len(chosen), 2 + 2 * len(sets))
    for line, number in zip(axes, chosen, strict=True):
        row = rows[number]
        show(line[0], real.mask(row) * 255)
        show(line[1], real.image(row), real.mask(row))
        for place, made in enumerate(sets.values()):
            show(line[2 + 2 * place], made.image(number))
            show(line[3 + 2 * place], made.image(number), made.mask(number))
    titles = ["condition", "real"]
    for label in sets:
        titles += [label, "overlay"]
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title.replace(" (", "\n("), fontsize=6)
    save(figure, output)


if __name__ == "__main__":
    run(main)
