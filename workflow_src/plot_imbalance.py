"""Figure 1 as data: how small lesions are, and what each weighting gives to and around them."""

from pathlib import Path

import numpy as np

from workflow_src.common.command_line import run
from workflow_src.data.tables import read_index
from workflow_src.paper.saturation import region_weights, saturated_below
from workflow_src.paper.style import BLUE, CYCLE, DASHES, RED, log_scale, plt, save
from workflow_src.study.synthesis import ControlNetRecipe

RATIOS = np.geomspace(1e-3, 0.9, 400)


def main(data: dict[str, Path], output: Path, law: ControlNetRecipe | None = None) -> None:
    """Draw Figure 1.

    Args:
        data: index.csv of each prepared set, by label.
        output: path without suffix.
        law: a method that weights by LAW: its gamma (Eq. 5), w_min and w_max (Eq. 7) are drawn;
            by default the paper's.
    """
    law = law or ControlNetRecipe()
    figure, (sizes, priors, bounds) = plt.subplots(1, 3, figsize=(7, 2.4), sharex=True)
    always, usually = saturated_below(law.gamma, law.w_max)
    for (label, path), colour, dash in zip(data.items(), CYCLE, DASHES, strict=False):
        fractions = np.sort(read_index(path).query("split == 'train'").lesion_fraction)
        share = np.arange(1, len(fractions) + 1) / len(fractions)
        below = np.mean(fractions < always)
        name = f"{label} ({below:.0%} below {always:.2f})"
        sizes.step(fractions, share, color=colour, linestyle=dash, label=name, linewidth=1.2)
    sizes.set_ylabel("share of training images")
    sizes.set_ylim(0, 1.35)
    sizes.set_yticks(np.linspace(0, 1, 6))
    sizes.set_title("lesion-area ratio r of the data", fontsize=8)
    sizes.legend(fontsize=6, frameon=False, loc="upper left", bbox_to_anchor=(-0.02, 1.03))
    ones = np.ones_like(RATIOS)
    for name, weights, dash in (
        ("uniform", (ones, ones), ":"),
        ("Eq. 3", region_weights(RATIOS, normalise=False), "--"),
        ("Eq. 3, normalised", region_weights(RATIOS), "-"),
    ):
        for part, colour in zip(weights, (RED, BLUE), strict=True):
            priors.plot(RATIOS, part, color=colour, linestyle=dash, linewidth=1.2)
        priors.plot([], [], color="black", linestyle=dash, label=name, linewidth=1.2)
    priors.set_title("fixed weights", fontsize=8)
    corners = [(1 - law.gamma, 1 + law.gamma), (1 + law.gamma, 1 - law.gamma)]
    limits = (law.w_min, law.w_max)
    bounded = [region_weights(RATIOS, *mu, bounds=limits) for mu in corners]
    middle = region_weights(RATIOS, bounds=limits)
    for place, (name, colour) in enumerate((("on the lesion", RED), ("around it", BLUE))):
        bounds.fill_between(
            RATIOS, bounded[0][place], bounded[1][place], color=colour, alpha=0.25, linewidth=0
        )
        bounds.plot(RATIOS, middle[place], color=colour, linestyle="-", label=name, linewidth=1.2)
    bounds.axvspan(RATIOS[0], always, color="0.92", zorder=0)
    bounds.axvline(usually, color="0.5", linestyle=":", linewidth=0.8)
    bounds.text(RATIOS[0] * 1.2, 0.02, "here δ has no effect\non the lesion's weight", fontsize=6)
    bounds.set_title("LAW, Eq. 7: every δ", fontsize=8)
    for axis in (priors, bounds):
        log_scale(axis.yaxis)
        axis.set_ylim(1e-3, 1e3)
        axis.legend(fontsize=6, frameon=False, loc="upper right")
    for axis in (sizes, priors, bounds):
        log_scale(axis.xaxis)
        axis.set_xlabel("r")
    figure.tight_layout()
    save(figure, output)


if __name__ == "__main__":
    run(main)
