"""The paper's claims as tests on a study's metrics: holds, does not hold, undecided, not run."""

from dataclasses import dataclass

from workflow_src.paper.measured import (
    TableSpec,
    read_runs,
    value_at,
    values_by_seed,
)
from workflow_src.paper.paired import over_images, over_seeds
from workflow_src.paper.tables import p_text
from workflow_src.study.columns import COLUMNS, Column

HOLDS, FAILS, OPEN, ABSENT = "holds", "does not hold", "undecided at this n", "not run"
VERDICTS = (HOLDS, FAILS, OPEN, ABSENT)
LEVEL = 0.05
FEWEST = 6  # with fewer cases no flip of signs is rarer than 5 %, so nothing can be decided
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


def decide(low: float, high: float, p: float, least: float) -> str:
    """Verdict on an effect that is positive if the claim is right.

    Args:
        low: lower end of its 95 % interval.
        high: upper end.
        p: of the test against no effect.
        least: smallest effect that would matter.
    """
    if high < least:  # an effect that matters is ruled out
        return FAILS
    return HOLDS if low > 0 and p < LEVEL else OPEN


def tested(claim: Claim, test: dict, text: str) -> dict:
    """Verdict by a paired test of row against than."""
    sign = -1 if claim.is_ == "below" else 1
    low, high = sorted([sign * test["low"], sign * test["high"]])
    return {
        "verdict": decide(low, high, test["p"], claim.least),
        "effect": test["difference"],
        "interval": [test["low"], test["high"]],
        "p": test["p"],
        "test": f"{text}; {claim.least:g} would matter",
    }


def by_images(claim: Claim, runs: list, column: Column) -> dict:
    """Paired over the images that both rows were scored on, the seeds' scores averaged."""
    test, seeds = over_images(*runs, column), len(runs[0])
    if test is None:
        return {"verdict": ABSENT, "test": "the two rows were scored on other images"}
    text = (
        f"paired over {test['images']} images of {test['cases']} cases, {seeds} "
        f"seed{'s' * (seeds > 1)}, sign-flip p {p_text(test['p'])}"
    )
    if test["cases"] < FEWEST:
        return tested(claim, test, f"{text}; {FEWEST} cases are needed") | {"verdict": OPEN}
    return tested(claim, test, text)


def by_seeds(claim: Claim, values: list[dict[int, float]]) -> dict:
    """Paired over the seeds that both rows were run with."""
    test = over_seeds(*values)
    if test is None:
        return {"verdict": OPEN, "test": "one seed: no test is possible"}
    text = f"paired over {test['seeds']} seeds, Student's t, p {p_text(test['p'])}"
    return tested(claim, test, text)


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
    if spec is None or claim.dataset not in spec.datasets or claim.column not in spec.columns:
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
    """Verdict, effect, interval and test of a claim, with the files that it rests on."""
    facts = {
        "says": claim.says,
        "place": claim.place,
        "table": claim.table,
        "column": COLUMNS[claim.column].title,
        "published": published_effect(claim, published),
    }
    if spec is not None and claim.dataset in spec.datasets:
        facts["dataset"] = spec.datasets[claim.dataset]
        if claim.dataset in spec.drawn:  # phantoms are compared with nothing of the paper's
            facts["published"] = None
    if reason := why_not(claim, spec, reduced):
        return facts | {"verdict": ABSENT, "test": reason, "evidence": []}
    column = COLUMNS[claim.column]
    rows = [row for row in (claim.row, claim.than) if row]
    runs = [read_runs(spec, row, claim.dataset, column) for row in rows]
    facts["evidence"] = [str(path) for found in runs for path, _ in found]
    if claim.is_ in ("stable", "unstable"):
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
    if column.per_image:
        return facts | by_images(claim, runs, column)
    values = [values_by_seed(spec, row, claim.dataset, column) for row in rows]
    return facts | by_seeds(claim, values)


def effect_text(result: dict) -> str:
    """A tested effect with its interval, and the paper's."""
    if "interval" not in result:
        return ""
    low, high = result["interval"]
    text = f"{result['effect']:+.1f} [{low:+.1f}, {high:+.1f}]"
    if result["published"] is not None:
        text += f" (paper {result['published']:+.1f})"
    return text


def to_markdown(results: dict[str, dict]) -> str:
    """All verdicts as a table."""
    lines = ["# Claims of the paper in this study", ""]
    lines += ["| claim | place | verdict | effect | test |", "|---|---|---|---|---|"]
    for result in results.values():
        says = f"{result['says']}" + (f" ({result['dataset']})" if "dataset" in result else "")
        cells = (says, result["place"], result["verdict"], effect_text(result), result["test"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
