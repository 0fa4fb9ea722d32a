"""What would decide the claims that a study leaves open: trainings, images, and their GPU-hours."""

from workflow_src.metrics.planning import MOST_SEEDS, Spread, needed
from workflow_src.paper.claims import LEVEL, OPEN, effect_text, verdict_text

Hours = dict[str, dict[str, dict[str, float]]]  # of a training by table, data set and row


def plan_claims(results: dict[str, dict], hours: Hours | None = None) -> None:
    """Add a `plan` to each undecided claim that is tested, in place: one per effect.

    A power of 80 % is asked for at the level that Holm's correction takes at worst, 0.05 over the
    number of tested claims.

    Args:
        results: of `judge_all`.
        hours: GPU-hours that one more training takes, up to its metrics; without an entry unknown.
    """
    open_claims = [r for r in results.values() if r["verdict"] == OPEN and "spread" in r]
    level = LEVEL / max(1, sum("spread" in result for result in results.values()))
    for result in open_claims:
        effects = {"the paper's effect": result["published"], "what would matter": result["least"]}
        result["plan"] = [
            plan(result, what, abs(effect), level, hours or {})
            for what, effect in effects.items()
            if effect
        ]


def plan(result: dict, what: str, effect: float, level: float, hours: Hours) -> dict:
    """Trainings of each row, images and GPU-hours for one effect; null where none would do."""
    seen = result["spread"]
    known = seen["seed"] is not None
    spread = Spread(**seen) if known else Spread(**seen | {"seed": float("nan")})
    found = needed(spread, effect, level)
    facts = {"for": what, "effect": effect, "level": level, "at_least": not known}
    if found is None:
        return facts | {"seeds": None, "images": None, "gpu_hours": None}
    seeds, cases = found
    images = round(result["images"] * cases / spread.cases) if spread.cases else 0
    gpu_hours = hours_of(result, seeds, hours)
    return facts | {"seeds": seeds, "images": images, "gpu_hours": gpu_hours}


def hours_of(result: dict, seeds: int, hours: Hours) -> float | None:
    """GPU-hours of the trainings that a claim's rows lack; None where that is not known."""
    costs = hours.get(result["table"], {}).get(result["data"], {})
    if not all(row in costs for row in result["rows"]):
        return None
    more = [max(seeds - done, 0) for done in result["trainings"]]
    return sum(n * costs[row] for n, row in zip(more, result["rows"], strict=True))


def add_hours(results: dict[str, dict], hours: Hours) -> None:
    """Say of every plan what it costs, in place."""
    for result in results.values():
        for one in result.get("plan", []):
            if one["seeds"] is not None:
                one["gpu_hours"] = hours_of(result, one["seeds"], hours)


def plan_text(one: dict, result: dict) -> str:
    """A plan in words."""
    target = f"for {one['for']} ({one['effect']:.3g}) "
    if one["seeds"] is None:
        return f"{target}more than {MOST_SEEDS} trainings each, or another measure"
    text = target + ("at least " if one["at_least"] else "") + f"{one['seeds']} trainings each"
    if one["images"] > result["images"]:
        text += f" and {one['images']:,} images"
    if one["gpu_hours"] is not None:
        text += f", {one['gpu_hours']:.1f} more GPU-hours"
    return text


def plan_rows(results: dict[str, dict]) -> list[dict[str, str]]:
    """Every plan as a row of text, by heading."""
    rows = []
    for result in results.values():
        for one in result.get("plan", []):
            some = "at least " if one["at_least"] else ""
            found, hours = one["seeds"] is not None, one["gpu_hours"]
            images = f"{one['images']:,}" if one["images"] else "none"
            rows.append(
                {
                    "claim": result["says"] + f" ({result['dataset']})",
                    "for": f"{one['for']}, {one['effect']:.3g}",
                    "trainings each": f"{some}{one['seeds']}" if found else f"over {MOST_SEEDS}",
                    "so far": " and ".join(map(str, result["trainings"])),
                    "images": images if found else "",
                    "more GPU-hours": "" if hours is None else f"{some}{hours:.1f}",
                }
            )
    return rows


def plans_text(result: dict) -> str:
    """All plans of a claim in words; empty if it has none."""
    return "; ".join(plan_text(one, result) for one in result.get("plan", []))


def to_markdown(results: dict[str, dict]) -> str:
    """All verdicts as a table, with what would decide the open ones."""
    heads = ("claim", "place", "verdict", "effect", "test", "would decide it")
    lines = ["# Claims of the paper in this study", "", f"| {' | '.join(heads)} |"]
    lines.append("|---" * len(heads) + "|")
    for result in results.values():
        says = result["says"] + (f" ({result['dataset']})" if "dataset" in result else "")
        cells = (says, result["place"], verdict_text(result), effect_text(result), result["test"],
                 plans_text(result))  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
