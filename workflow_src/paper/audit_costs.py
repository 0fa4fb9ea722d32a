"""Checks of what networks cost: attention against its budget, the paper's counts against ours."""

from workflow_src.paper.audit import Finding, Study, half_unit, published_cell
from workflow_src.study.columns import COLUMNS


def attention_cost(paper: dict, study: Study) -> list[Finding]:
    """Eq. 15 at full resolution against the whole published budget; sharing S against not."""
    size = paper["text"]["protocol"]["flops_size"]
    tokens = (size // 2) ** 2  # the shallowest skip
    gflops = 3 * 2 * tokens**2 / 1e9  # S and two products, one channel wide
    budget = published_cell(paper, ["3", "order", "polyps", "gflops"])
    shared, separate = 3, 4
    return [
        Finding("impossible", "Eqs. 15 and 16, Table 3", f"stage 0 attends within {budget} GFLOPs",
            f"stage 0 has {tokens:,} tokens at {size}²; S and its two products cost 3 × 2 × "
            f"{tokens:,}² = {gflops:.2f} GFLOPs for a single channel.",
            "Tokens must be pooled, which the paper does not say.",
            "Tokens are pooled to a fixed grid, 32 × 32 by default; the cost is then as printed.")
        if gflops > budget
        else Finding("right", "Table 3", f"attention within {budget} GFLOPs", f"{gflops:.2f}."),
        Finding("contradiction", "Figure 5", "one matrix S is “halving the attention cost”",
            f"{shared} matrix products instead of {separate}: "
            f"{1 - shared / separate:.0%} less.",
            "A quarter is saved, not a half.", "S is computed once, as in Eq. 16."),
    ]  # fmt: skip


def costs(paper: dict, study: Study) -> list[Finding]:
    """Published parameters and operations against those counted here."""
    findings, agreeing = [], []
    for table in ("3", "6"):
        for row, datasets in paper[table]["rows"].items():
            if row not in study.costs or (table == "6" and row in paper["3"]["rows"]):
                continue
            for column in ("parameters", "gflops"):
                said, ours = datasets["polyps"].get(column), study.costs[row][column]
                written = COLUMNS[column].written
                if said is None or f"{row}.{column}" in study.reduced:
                    continue
                what = f"{row}, {column}"
                size = study.costs[row]["size"]
                shown = f"{written(ours)} counted" + (f" at {size}²" if column == "gflops" else "")
                if abs(ours - said) <= max(half_unit(said, column), 0.05 * said):
                    agreeing.append(what)
                    continue
                why = paper[table].get("why", {}).get(row, "").rstrip(".")
                reason = f": {why}" if why else ""
                findings.append(
                    Finding("measured", f"Table {table}", f"{what}: {written(said)}",
                        f"{shown}, {said / ours:.2f} times less than the paper's."
                        if said > ours else f"{shown}, {ours / said:.2f} times the paper's.",
                        "The cost of this row, and ratios built on it, are not those of the "
                        f"network as published{reason}.",
                        "Counted by PyTorch's counter, two operations a multiply-accumulate, "
                        "attention included.")
                )  # fmt: skip
    if agreeing:
        findings.append(
            Finding("right", "Tables 3 and 6", "; ".join(agreeing),
                "within 5 % of what is counted here.")
        )  # fmt: skip
    return findings


CHECKS = (attention_cost, costs)
