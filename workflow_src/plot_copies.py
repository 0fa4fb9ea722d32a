"""The synthetic images closest to a training image, each beside it; above them real test images."""

from pathlib import Path

from jsonargparse.typing import PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.json_files import read_json
from workflow_src.data.prepared import PreparedSet
from workflow_src.paper.style import grid, save, show


def main(
    data: Path,
    test: Path,
    synthetic: dict[str, Path],
    fidelity: dict[str, list[Path]],
    extractor: str,
    output: Path,
    pairs: PositiveInt = 4,
) -> None:
    """Draw the closest pairs.

    Args:
        data: folder of the real prepared set.
        test: scores of its test against its training images.
        synthetic: folder of each method's synthetic set, by the method's label.
        fidelity: the method's scores, one file per seed, by its label; the first is of that set.
        extractor: by whose features images are close.
        output: path without suffix.
        pairs: to show of each method.
    """
    real = PreparedSet(data)
    lines = [("real test images", real, read_json(test)[extractor])]
    lines += [
        (n, PreparedSet(synthetic[n]), read_json(fidelity[n][0])[extractor]) for n in synthetic
    ]
    figure, axes = grid(len(lines), 2 * pairs)
    for line, (label, images, facts) in zip(axes, lines, strict=True):
        found = facts["closest_pairs"][:pairs]
        for place, (number, row, apart) in enumerate(found):
            left, right = line[2 * place : 2 * place + 2]
            show(left, images.image(number))
            show(right, real.image(row))
            left.text(0.04, 0.96, f"{apart:.1f}", transform=left.transAxes, va="top", fontsize=5,
                      color="white", bbox={"color": "black", "alpha": 0.5, "pad": 1})  # fmt: skip
        share = facts["copies"]
        share = "no bound" if share is None else f"{share:.1%} copies"
        line[0].set_ylabel(f"{label.replace(' (', chr(10) + '(')}\n{share}", fontsize=5)
    figure.suptitle(
        f"each beside its nearest training image, with their distance ({lines[0][2]['extractor']})",
        fontsize=7,
    )
    save(figure, output)


if __name__ == "__main__":
    run(main)
