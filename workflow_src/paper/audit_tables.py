"""Checks of the tables: what no image, no network and no rounding allows, and what disagrees."""

from collections import defaultdict

import numpy as np
from scipy.optimize import linprog

from workflow_src.paper.audit import Finding, Study, half_unit, published_cell, scores_of
from workflow_src.study.columns import COLUMNS

EVALUATOR = (
    "One evaluator computes Dice and IoU from the same pixel counts of each image and refuses a "
    "pair outside D/(2 − D) ≤ IoU ≤ D."
)


def dice_and_iou(paper: dict, study: Study) -> list[Finding]:
    """Mean IoU must lie between D/(2 − D) and D, the mean Dice of the same images.

    Per image IoU = D/(2 − D) ≤ D; the function is convex, so its mean is at least its value at the
    mean Dice (Jensen). Rounding is granted to both numbers.
    """
    findings, passed = [], []
    for number, row, dataset, columns in scores_of(paper):
        if not {"dice", "iou"} <= set(columns):
            continue
        dice, iou = columns["dice"], columns["iou"]
        slack = half_unit(dice, "dice")
        least = 100 * (dice - slack) / (200 - dice + slack)
        place, claim = f"Table {number}, {row}, {dataset}", f"mDice {dice}, mIoU {iou}"
        if iou - slack > dice + slack:
            # With the background's IoU b averaged in, (x + b)/2 = iou for x in [least, dice].
            low, high = 2 * iou - dice, 2 * iou - least
            findings.append(
                Finding("impossible", place, claim,
                    f"IoU ≤ Dice in every image, so mean IoU ≤ {dice + slack:.2f}; the paper has "
                    f"{iou}. A mean over foreground and background would need a background IoU of "
                    f"{low:.1f} to {min(high, 100):.1f}.",
                    "The two columns of this row do not use one definition, so the row cannot be "
                    "compared with the others.",
                    f"{EVALUATOR} The mean over foreground and background is a column of its own.")
            )  # fmt: skip
        elif iou + slack < least:
            findings.append(
                Finding("impossible", place, claim,
                    f"by Jensen's inequality mean IoU ≥ D/(2 − D) = {least:.2f} even for a Dice of "
                    f"{dice - slack:.2f}; the paper has {iou}.",
                    "The Dice or the IoU of this row is not a per-image mean, as the paper says.",
                    EVALUATOR)
            )  # fmt: skip
        else:
            passed.append(f"{number}/{row}/{dataset}")
    ours = 0
    for number, cells in study.tables.items():
        wide = cells.pivot_table(index=["row", "dataset"], columns="column", values="mean")
        for (row, dataset), pair in wide.reindex(columns=["dice", "iou"]).dropna().iterrows():
            ours += 1
            if not 100 * pair.dice / (200 - pair.dice) - 1e-6 <= pair.iou <= pair.dice + 1e-6:
                findings.append(
                    Finding("impossible", f"This study's Table {number}, {row}, {dataset}",
                        f"mDice {pair.dice:.4f}, mIoU {pair.iou:.4f}",
                        "outside D/(2 − D) ≤ IoU ≤ D.", "Our own evaluator is wrong.",
                        "Do not use this table.")
                )  # fmt: skip
    findings.append(
        Finding("right", "Tables 2, 3, 5, 6", "Dice and IoU of the other rows",
            f"{len(passed)} published pairs and {ours} of this study lie within "
            "D/(2 − D) ≤ IoU ≤ D.")
    )  # fmt: skip
    return findings


def stage_parameters(paper: dict, study: Study) -> list[Finding]:
    """Table 6: does any choice of parameters per stage give the printed totals?

    Unknown are the base and the parts p_0 .. p_4 of independent modules, rounding granted to every
    total; a linear programme maximises the smallest part. Below zero, none fits.
    """
    stages = paper["text"]["stages"]
    totals = {row: published_cell(paper, ["6", row, "polyps", "parameters"]) for row in stages}
    base = published_cell(paper, ["6", "mkunet", "polyps", "parameters"])
    parts = 1 + max(stage for chosen in stages.values() for stage in chosen)
    # Variables: base, parts, smallest part. Each row: |base + its parts − total| ≤ half a unit.
    sums = [
        [1.0] + [float(s in chosen) for s in range(parts)] + [0.0] for chosen in stages.values()
    ]
    upper = [total + half_unit(total, "parameters") for total in totals.values()]
    lower = [total - half_unit(total, "parameters") for total in totals.values()]
    smallest = [[0.0] + [-float(s == p) for s in range(parts)] + [1.0] for p in range(parts)]
    slack = half_unit(base, "parameters")
    solved = linprog(
        c=[0.0] * (parts + 1) + [-1.0],
        A_ub=np.array(sums + [[-v for v in row] for row in sums] + smallest),
        b_ub=np.array(upper + [-v for v in lower] + [0.0] * parts),
        bounds=[(base - slack, base + slack)] + [(None, None)] * (parts + 1),
    )
    best = solved.x[-1]
    printed = ", ".join(f"{row} {total / 1e3:.0f}K" for row, total in totals.items())
    claim = f"parameters: base {base / 1e3:.0f}K, {printed}"
    if best >= 0:
        return [Finding("right", "Table 6", claim, "independent modules can have these totals.")]
    last = totals["order_all"] + base - totals["order_23"] - totals["order"]
    return [
        Finding("impossible", "Table 6", claim,
            f"p4 = T(all) + base − T(2-3) − T(0-1) = {last / 1e3:+.0f}K; with every rounding in "
            f"the paper's favour some stage still has {best / 1e3:+.1f}K parameters.",
            "The modules share parameters, or the rows do not show what their labels say; Eq. 14 "
            "has neither, and its convolutions grow with the channels, so that the deep stages "
            "should be the largest.",
            "Every stage has its own module by Eq. 14; the measured counts stand beside the "
            "paper's in Table 6.")
    ]  # fmt: skip


def repeated_cells(paper: dict, study: Study) -> list[Finding]:
    """One model on one data set, shown twice: by the same row name, or listed as the same."""
    groups = {entry["what"]: entry["cells"] for entry in paper["text"]["same"]}
    by_name = defaultdict(list)
    for number, row, dataset, columns in scores_of(paper):
        for column in columns:
            by_name[row, dataset, column].append([number, row, dataset, column])
    for (row, dataset, column), cells in by_name.items():
        if len(cells) > 1:
            groups[f"{row}, {dataset}, {COLUMNS[column].title}"] = cells
    findings, agreeing = [], 0
    for what, cells in groups.items():
        values = {cell[0]: published_cell(paper, cell) for cell in cells}
        if len(set(values.values())) == 1:
            agreeing += 1
            continue
        shown = ", ".join(f"{value} in Table {number}" for number, value in values.items())
        gap = max(values.values()) - min(values.values())
        findings.append(
            Finding("contradiction", "Tables " + ", ".join(values), f"{what}: {shown}",
                f"they differ by {gap:.1f}.",
                "The tables use different protocols, metrics or runs without saying so.",
                "One protocol for all tables. Table 4's mDice is taken as mask faithfulness, the "
                "one reading that allows values above 90; Tables 2 and 3 share one nnU-Net.")
        )  # fmt: skip
    findings.append(
        Finding("right", "All tables", "cells that show one model twice",
            f"{agreeing} of {len(groups)} repeated cells agree.")
    )  # fmt: skip
    return findings


def augmented_below_plain(paper: dict, study: Study) -> list[Finding]:
    """Table 2's best nnU-Net against Table 3's, which had no synthetic images."""
    plain = published_cell(paper, ["3", "nnunet-real", "polyps", "dice"])
    law = published_cell(paper, ["2", "real_law", "polyps", "dice"])
    if law >= plain:
        return []
    return [
        Finding("contradiction", "Tables 2 and 3",
            f"LAW's images lift nnU-Net to {law}; nnU-Net without them has {plain}",
            f"{law} − {plain} = {law - plain:+.1f}.",
            "By the paper's own best baseline, augmentation with LAW lowers Dice.",
            "Both numbers come from one nnU-Net, one plan and one budget of updates.")
    ]  # fmt: skip


def best_rows(paper: dict, study: Study) -> list[Finding]:
    """Rows that a caption calls the best: are they, in every column?"""
    findings = []
    for entry in paper["text"]["best"]:
        rows = paper[entry["table"]]["rows"]
        beaten, total = [], 0
        for dataset, columns in rows[entry["row"]].items():
            for column, value in columns.items():
                total += 1
                sign = -1 if COLUMNS[column].best == "low" else 1
                rival = max(rows, key=lambda row: sign * rows[row][dataset][column])
                if rows[rival][dataset][column] != value:
                    best = rows[rival][dataset][column]
                    title = COLUMNS[column].title
                    beaten.append(f"{title} on {dataset} is best for {rival}, {best} to {value}")
        findings.append(
            Finding("contradiction" if beaten else "right", entry["place"],
                f"{entry['row']}: “{entry['says']}”",
                f"true in {total - len(beaten)} of {total} columns"
                + (f"; {'; '.join(beaten)}." if beaten else "."),
                "The caption holds for FID or Dice only." if beaten else "",
                "A number is bold here only where a paired test says that it is the best."
                if beaten else "")
        )  # fmt: skip
    return findings


def ablation_rungs(paper: dict, study: Study) -> list[Finding]:
    """Table 4: does each component add to the row before it, as the caption says?"""
    rows = list(paper["4"]["rows"])
    columns = ("fid", "clip_i", "faithfulness")

    def cell(row: str, column: str) -> float:
        return published_cell(paper, ["4", row, "polyps", column])

    worse = []
    for before, after in zip(rows, rows[1:], strict=False):
        for column in columns:
            old, new = cell(before, column), cell(after, column)
            sign = -1 if COLUMNS[column].best == "low" else 1
            if sign * (new - old) < 0:
                worse.append(f"{after}: {COLUMNS[column].title} {old} to {new}")
    start, final = cell(rows[0], "clip_i"), cell(rows[-1], "clip_i")
    first, clamp, law = (cell(row, "fid") for row in (rows[0], *rows[-2:]))
    return [
        Finding("contradiction" if worse else "right", "Table 4, caption",
            "“each component contributes to stability and performance”",
            f"worse than the row before: {'; '.join(worse) or 'none'}. FID falls by "
            f"{first - clamp:.2f} over all rungs but the Dice regulariser, and by "
            f"{clamp - law:.2f} with it; CLIP-I ends at {final}, from {start}.",
            "All of LAW's gain over adaptive distillation is the Dice regulariser's; delta map, "
            "normalisation and clamp bring none.",
            "Each rung is a method of its own, compared by the same test.")
    ]  # fmt: skip


CHECKS = (
    dice_and_iou,
    stage_parameters,
    repeated_cells,
    augmented_below_plain,
    best_rows,
    ablation_rungs,
)
