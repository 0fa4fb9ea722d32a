"""Distances of every method beside those between real images, and what their number does."""

from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from workflow_src.common.command_line import run
from workflow_src.common.json_files import read_json
from workflow_src.paper.style import BLUE, CYCLE, GREEN, ORANGE, plt, save


def drawn(facts: dict | list[dict], extractor: str, images: str) -> np.ndarray:
    """Distances of every draw, of one file or of one per seed, over a number of images."""
    files = facts if isinstance(facts, list) else [facts]
    return np.concatenate([file[extractor]["by_images"][images] for file in files])


def dots(axis: plt.Axes, methods: dict, halves: dict, test: dict, extractor: str, first: str):
    """A row a method: its distances at as many images as the floor, and its place by them."""
    images = list(halves[extractor]["by_images"])[-1]
    floor = drawn(halves, extractor, images)
    axis.axvspan(floor.min(), floor.max(), color=BLUE, alpha=0.3, linewidth=0)
    means = {}
    for line, (label, files) in enumerate(methods.items()):
        values = drawn(files, extractor, images)
        means[label] = values.mean()
        axis.plot(values, [line] * len(values), ".", color=ORANGE, alpha=0.5, markersize=4)
        axis.plot(means[label], line, "o", color=CYCLE[1], markersize=4)
    place = np.argsort(np.argsort(list(means.values()))) + 1
    for line, (mean, number) in enumerate(zip(means.values(), place, strict=True)):
        axis.annotate(f"{number}.", (mean, line), (0, 4), textcoords="offset points", fontsize=6)
    fewer = list(test[extractor]["by_images"])[-1]
    values = drawn(test, extractor, fewer)
    axis.plot(values, [len(methods)] * len(values), ".", color=GREEN, markersize=4)
    axis.set_yticks(range(len(methods) + 1), [*methods, f"real test images ({fewer})"], fontsize=6)
    axis.set_ylim(len(methods) + 0.5, -0.7)
    axis.set_xlim(left=0)
    axis.set_xlabel(f"distance over {images} images; band: real halves", fontsize=6)
    title = f"{halves[extractor]['extractor']}, {halves[extractor]['resize']}"
    if extractor != first:
        others = list(halves[first]["by_images"])[-1]
        expected = [drawn(files, first, others).mean() for files in methods.values()]
        tau = kendalltau(expected, list(means.values())).statistic
        title += f"\norder against {halves[first]['extractor']}: Kendall's τ {tau:+.2f}"
    axis.set_title(title, fontsize=6)


def curves(axis: plt.Axes, label: str, files: list[dict], halves: dict, extractor: str):
    """Distance against the number of images, of one method and of halves of the real images."""
    for name, facts, colour in ((label, files, CYCLE[1]), ("real halves", halves, BLUE)):
        counts = list(halves[extractor]["by_images"])
        means = [drawn(facts, extractor, count).mean() for count in counts]
        axis.plot([int(count) for count in counts], means, "o-", color=colour, label=name,
                  markersize=3, linewidth=1)  # fmt: skip
    dimensions = halves[extractor]["dimensions"]
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlabel(f"images; the covariance has full rank above {dimensions:,}", fontsize=6)
    if dimensions < 2 * int(counts[-1]):
        axis.axvline(dimensions, color="grey", linewidth=0.5)
    axis.legend(fontsize=5, frameon=False)


def main(fidelity: dict[str, list[Path]], floors: Path, output: Path) -> None:
    """Draw the distances, a line of panels for each extractor.

    Args:
        fidelity: the scores of each method, one file per seed, by the method's label.
        floors: folder of the scores of real against real images.
        output: path without suffix.
    """
    methods = {label: [read_json(file) for file in files] for label, files in fidelity.items()}
    halves, test = (read_json(floors / f"real_{of}.json") for of in ("halves", "test"))
    extractors = [
        name for name, facts in halves.items() if isinstance(facts, dict) and "by_images" in facts
    ]
    last = list(methods)[-1]
    figure, axes = plt.subplots(
        len(extractors), 2, figsize=(6.5, 0.8 + 1.9 * len(extractors)), squeeze=False,
        gridspec_kw={"width_ratios": [3, 2]},
    )  # fmt: skip
    for (left, right), extractor in zip(axes, extractors, strict=True):
        dots(left, methods, halves, test, extractor, extractors[0])
        curves(right, last, methods[last], halves, extractor)
        for axis in (left, right):
            axis.tick_params(which="both", labelsize=6)
    figure.tight_layout()
    save(figure, output)


if __name__ == "__main__":
    run(main)
