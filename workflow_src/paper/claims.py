"""The paper's claims as tests on a study's metrics: holds, does not hold, undecided, not run."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workflow_src.metrics.crossed import holm
from workflow_src.paper.measured import Runs, TableSpec, read_runs, value_at
from workflow_src.paper.paired import difference
from workflow_src.paper.tables import p_text
from workflow_src.study.columns import COLUMNS, Column

HOLDS, SMALL, FAILS = "holds", "holds, smaller than would matter", "does not hold"
OPEN, ABSENT = "undecided", "not run"
VERDICTS = (HOLDS, SMALL, FAILS, OPEN, ABSENT)
LEVEL = 0.05
WITHIN = 0.05  # of what "about" allows


@dataclass
class Claim:
    """One statement of the paper.

    Args:
        says: the statement.
        place: in the paper.
        table: whose metrics it is tested on.
        dataset: of that table.
        column: of that table.
        row: what the statement is about.
        is_: above, below, fewer, about, stable or unstable.
        than: the row that it is compared with.
        least: smallest effect that would matter, or the value that it is about.
    """

    says: str
    place: str
    table: str
    dataset: str
    column: str
    row: str
    is_: str
    than: str | None = None
    least: float = 0.0


def read_claims(entries: dict[str, dict]) -> dict[str, Claim]:
    """Claims by name, from config/claims.yaml."""
    return {
        name: Claim(**{"is_" if key == "is" else key: value for key, value in entry.items()})
        for name, entry in entries.items()
    }


def decide(effect: float, p: float, p_least: float, least: float) -> str:
    """Verdict on an effect that is positive if the claim is right.

    Args:
        effect: as measured.
        p: corrected, of the test against no effect.
        p_least: corrected, of the test against the smallest effect that would matter.
        least: that effect.
    """
    smaller = effect < least and p_least < LEVEL
    if p < LEVEL:
        if effect < 0:
            return FAILS
        return SMALL if smaller else HOLDS
    return FAILS if smaller else OPEN


def tested(claim: Claim, ours: Runs, theirs: Runs, column: Column) -> dict:
    """Effect, interval and p of row against than; the verdict waits for the other claims' p."""
    found = difference(ours, theirs, column)
    if found is None:
        return {"verdict": ABSENT, "test": "the two rows were scored on other images"}
    facts: dict[str, Any] = {
        "verdict": OPEN,
        "effect": float(found.estimate.value),
        "trainings": list(found.trainings),
        "spread": {key: None if np.isnan(v) else v for key, v in asdict(found.spread).items()},
        "images": found.images,
        "least": claim.least,
    }
    if found.unit:
        facts |= {"interval": [float(end) for end in found.estimate.interval()]}
        facts |= {"over": found.unit}
    if not found.repeated:
        which = "one training each" if max(found.trainings) == 1 else "one training of a row"
        text = f"{found.over}: a statement about these networks, not about the methods"
        return facts | {"because": which, "test": text}
    if not found.unit:
        return facts | {"test": f"{found.over}: no test is possible"}
    sign = -1 if claim.is_ == "below" else 1
    return facts | {
        "sign": sign,
        "p": found.estimate.p(),
        "p_least": found.estimate.p(sign * claim.least),
        "test": f"{found.over}; {claim.least:g} would matter",
    }


def settle(results: dict[str, dict]) -> None:
    """Correct the p of all claims (Holm), each of the two questions by itself, and decide."""
    tests = [result for result in results.values() if "p" in result]
    for key in ("p", "p_least"):
        for result, corrected in zip(tests, holm([r[key] for r in tests]), strict=True):
            result[f"{key}_holm"] = float(corrected)
    for result in tests:
        effect = result["sign"] * result["effect"]
        corrected = (result["p_holm"], result["p_least_holm"])
        result["verdict"] = decide(effect, *corrected, result["least"])
        result["test"] += f"; p {p_text(result['p'])}, corrected {p_text(result['p_holm'])}"
        if result["verdict"] == FAILS:
            result["because"] = "the opposite" if result["p_holm"] < LEVEL else "ruled out"


def exactly(claim: Claim, values: list[float], published: float | None) -> dict:
    """Costs, which are counted: no test."""
    if claim.is_ == "about":
        met = abs(values[0] / claim.least - 1) <= WITHIN
        text = f"counted: {COLUMNS[claim.column].written(values[0])}; within {WITHIN:.0%} would do"
        return {"verdict": HOLDS if met else FAILS, "effect": values[0], "test": text}
    ratio = values[1] / values[0]
    shown = " / ".join(COLUMNS[claim.column].written(value) for value in reversed(values))
    text = f"counted: {shown} = {ratio:.0f} times"
    if published is not None:
        text += f"; by the paper's cells {published:.0f} times"
    return {"verdict": HOLDS if ratio >= claim.least else FAILS, "effect": ratio, "test": text}


def published_effect(claim: Claim, published: dict) -> float | None:
    """The effect by the paper's own cells."""
    rows = published.get(claim.table, {}).get("rows", {})
    ours, theirs = (
        rows.get(row, {}).get(claim.dataset, {}).get(claim.column)
        for row in (claim.row, claim.than)
    )
    if claim.is_ in ("above", "below") and None not in (ours, theirs):
        return ours - theirs
    if claim.is_ == "fewer" and None not in (ours, theirs):
        return theirs / ours
    return ours if claim.is_ == "about" else None


def why_not(claim: Claim, spec: TableSpec | None, reduced: list[str]) -> str:
    """Why a study cannot speak about a claim; empty if it can."""
    rows = [row for row in (claim.row, claim.than) if row]
    if (
        spec is None
        or claim.dataset not in spec.datasets
        or claim.column not in (*spec.columns, *spec.more)
    ):
        return "this study's tables do not have it"
    if missing := [row for row in rows if row not in spec.rows]:
        return f"not in this study: {', '.join(missing)}"
    if smaller := [row for row in rows if f"{row}.{claim.column}" in reduced]:
        return (
            f"this study's {', '.join(smaller)} is not as published: smaller, or counted otherwise"
        )
    column = COLUMNS[claim.column]
    for row in rows:
        runs = read_runs(spec, row, claim.dataset, column)
        if value_at(runs[0][1], column.path) is None:
            return f"no metrics of {row}"
    return ""


def judge(claim: Claim, spec: TableSpec | None, published: dict, reduced: list[str]) -> dict:
    """Effect, interval and test of a claim, with the files that it rests on, and the verdict.

    Of a claim that is tested the verdict is left to `settle`.
    """
    facts: dict[str, Any] = {
        "says": claim.says,
        "place": claim.place,
        "table": claim.table,
        "column": COLUMNS[claim.column].title,
        "data": claim.dataset,
        "rows": [row for row in (claim.row, claim.than) if row],
        "published": published_effect(claim, published),
    }
    if spec is not None and claim.dataset in spec.datasets:
        facts["dataset"] = spec.datasets[claim.dataset]
        if claim.dataset in spec.drawn:  # phantoms are compared with nothing of the paper's
            facts["published"] = None
    reason = why_not(claim, spec, reduced)
    if reason or spec is None:
        return facts | {"verdict": ABSENT, "test": reason, "evidence": []}
    column = COLUMNS[claim.column]
    rows = [row for row in (claim.row, claim.than) if row]
    runs = [read_runs(spec, row, claim.dataset, column) for row in rows]
    facts["evidence"] = [str(path) for found in runs for path, _ in found]
    if claim.is_ in ("stable", "unstable"):
        if len(runs[0]) < 2:
            return facts | {"verdict": OPEN, "because": "one training", "test": "one training"}
        stable = all(found["stable"] for _, found in runs[0])
        reasons = sorted({reason for _, found in runs[0] for reason in found["because"]})
        return facts | {
            "verdict": HOLDS if stable == (claim.is_ == "stable") else FAILS,
            "test": f"limits passed in {len(runs[0])} training(s): "
            + (", ".join(reasons) or "none"),
        }
    if column.kind == "cost":
        values = [value_at(found[0][1], column.path) for found in runs]
        return facts | exactly(claim, values, facts["published"])
    ours, theirs = runs
    return facts | tested(claim, ours, theirs, column)


def judge_all(
    claims: dict[str, Claim], specs: dict[str, TableSpec], published: dict, reduced: list[str]
) -> dict[str, dict]:
    """Verdicts on all claims, corrected for their number; arguments as of `judge`."""
    results = {
        name: judge(claim, specs.get(claim.table), published, reduced)
        for name, claim in claims.items()
    }
    settle(results)
    return results


def effect_text(result: dict) -> str:
    """A tested effect with its interval, and the paper's."""
    if "interval" not in result:
        return ""
    low, high = result["interval"]
    text = f"{result['effect']:+.1f} [{low:+.1f}, {high:+.1f}] over {result['over']}"
    if result["published"] is not None:
        text += f" (paper {result['published']:+.1f})"
    return text


def verdict_text(result: dict) -> str:
    """A verdict with its reason, if it has one."""
    return result["verdict"] + (f": {result['because']}" if "because" in result else "")
