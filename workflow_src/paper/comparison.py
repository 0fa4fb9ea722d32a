"""Two result folders side by side: which settings, cells and verdicts differ.

Folders are as the workflow writes them: results/<study>, of two studies, commits or sites.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from workflow_src.common.json_files import read_json
from workflow_src.data.tables import read_table
from workflow_src.paper.measured import Runs
from workflow_src.paper.paired import difference
from workflow_src.paper.tables import p_text, signed
from workflow_src.study.columns import COLUMNS, Column

LEVEL = 0.05
SAME, DIFFERS, UNCLEAR, UNTESTED = "same", "differs", "no difference shown", "no test possible"
ONCE = "undecided: one training"
APART = "not tested: scored on no image in common"
GONE = "not tested: the metrics files behind it are not there"


def located(folder: Path, cell: dict) -> Runs:
    """A cell's metrics files as they lie in a folder, whatever the study is called there."""
    paths = [folder.joinpath(*Path(file["path"]).parts[2:]) for file in cell["from"]]
    return [(path, read_json(path)) for path in paths if path.is_file()]


def tested(column: Column, first: Runs, second: Runs) -> dict:
    """Test of second against first: interval, what it is over, and p if it is about the methods."""
    if column.kind == "cost":
        return {}
    if not first or not second:
        return {"verdict": GONE}
    found = difference(second, first, column)
    if found is None:
        return {"verdict": APART}
    low, high = found.estimate.interval()
    p = found.estimate.p() if found.repeated else float("nan")
    verdict = None if found.repeated else ONCE
    return {"low": low, "high": high, "p": p, "over": found.over, "verdict": verdict}


def compare_cells(first: Path, second: Path) -> pd.DataFrame:
    """Every cell that both folders have: values, difference, test, verdict.

    The p-values of all cells are adjusted together (Benjamini and Hochberg), since with a hundred
    cells a few would differ by chance.
    """
    rows = []
    for path in sorted((first / "tables").glob("table*.json")):
        if not (second / "tables" / path.name).is_file():
            continue
        tables, sources = [], []
        for folder in (first, second):
            csv = read_table(folder / "tables" / f"{path.stem}.csv", "row", "dataset", "column")
            csv = csv.reindex(columns=["row", "label", "dataset", "column", "mean", "text"])
            tables.append(csv.set_index(["row", "dataset", "column"]))
            content = read_json(folder / "tables" / path.name)
            sources.append({(c["row"], c["dataset"], c["column"]): c for c in content["cells"]})
        for key in tables[0].index.intersection(tables[1].index):
            a, b = (table.loc[key] for table in tables)
            row = {"table": content["name"], "label": a.label,
                   "dataset": key[1], "column": key[2]}  # fmt: skip
            if pd.isna(a["mean"]) or pd.isna(b["mean"]):
                if (a["text"] if pd.isna(a["mean"]) else "run") != (
                    b["text"] if pd.isna(b["mean"]) else "run"
                ):
                    rows.append(row | {"first": a["text"], "second": b["text"], "verdict": DIFFERS})
                continue
            row |= {"first": a["mean"], "second": b["mean"], "difference": b["mean"] - a["mean"]}
            runs = (located(folder, cells[key]) for folder, cells in
                    zip((first, second), sources, strict=True))  # fmt: skip
            rows.append(row | tested(COLUMNS[key[2]], *runs))
    frame = pd.DataFrame(rows)
    return frame if frame.empty else with_verdicts(frame)


def with_verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """Add adjusted p-values and verdicts to cells."""
    frame = frame.reindex(
        columns=["table", "label", "dataset", "column", "first", "second", "difference",
                 "low", "high", "p", "over", "verdict"]
    )  # fmt: skip
    equal = frame.difference.abs() <= 1e-9
    has_p = frame.p.notna() & ~equal
    # A model that several tables show is tested once; equal values are not tested.
    same_test = ["dataset", "column", "first", "second"]
    tests = frame[has_p].drop_duplicates(same_test)
    if len(tests):
        adjusted = tests.assign(p=stats.false_discovery_control(tests.p.to_numpy(float)))
        found = frame[same_test].merge(adjusted[[*same_test, "p"]], how="left", on=same_test)
        frame["p"] = found.p.to_numpy()
    exact = frame.column.map(lambda name: COLUMNS[name].kind == "cost")
    judged = np.select(
        [equal, exact, has_p & (frame.p < LEVEL), has_p],
        [SAME, DIFFERS, DIFFERS, UNCLEAR],
        UNTESTED,
    )
    frame["verdict"] = frame.verdict.where(frame.verdict.notna() & ~equal, judged)
    return frame


def flat(settings: dict, prefix: str = "") -> dict[str, object]:
    """Nested settings as dotted keys."""
    found: dict[str, object] = {}
    for key, value in settings.items():
        inner = isinstance(value, dict)
        found |= flat(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return found


def compare_settings(first: Path, second: Path) -> dict[tuple[str, str, str], list[str]]:
    """Settings of the trainings that both have: (key, first, second) to the places that differ."""
    found: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for path in sorted(first.rglob("recipe.json")):
        place = path.relative_to(first)
        if not (second / place).is_file():
            continue
        a, b = (flat(read_json(folder / place)) for folder in (first, second))
        for key in sorted(a.keys() | b.keys()):
            if a.get(key) != b.get(key) and not key.startswith("provenance.libraries"):
                found[key, str(a.get(key)), str(b.get(key))].append(str(place.parent))
    return dict(found)


def compare_claims(first: Path, second: Path) -> list[tuple[str, str, str]]:
    """Claims whose verdict differs: statement, first, second."""
    a, b = (read_json(folder / "claims.json") for folder in (first, second))
    return [
        (f"{a[name]['says']} ({a[name]['place']})", a[name]["verdict"], b[name]["verdict"])
        for name in a
        if name in b and a[name]["verdict"] != b[name]["verdict"]
    ]


def cell_line(cell: pd.Series) -> list[str]:
    """A compared cell as text."""
    name = cell.column
    where = [f"Table {cell.table}", str(cell.label), cell.dataset, COLUMNS[name].title]
    if isinstance(cell["first"], str) or isinstance(cell["second"], str):
        return [*where, str(cell["first"]), str(cell["second"]), "", "", cell.verdict]
    gap = signed(cell.difference, name)
    if pd.notna(cell.low):
        gap += f" [{signed(cell.low, name)}, {signed(cell.high, name)}]"
    test = cell.over if pd.notna(cell.over) else ""
    test += f", p {p_text(cell.p)}" if pd.notna(cell.p) else ""
    first, second = (COLUMNS[name].written(cell[side]) for side in ("first", "second"))
    return [*where, first, second, gap, test, cell.verdict]


def to_markdown(first: Path, second: Path, every: bool) -> str:
    """The comparison as text; cells that are the same only if asked for."""
    cells = compare_cells(first, second)
    counts = cells.verdict.value_counts().to_dict() if len(cells) else {}
    lines = [f"# {second} against {first}", ""]
    lines += [f"{len(cells)} cells: " + ", ".join(f"{n} {v}" for v, n in counts.items()) + "."]
    lines += ["", "## Verdicts on claims that changed", ""]
    lines += [f"- {says}: {a} → {b}" for says, a, b in compare_claims(first, second)] or ["None."]
    lines += ["", "## Settings and code that differ", ""]
    settings = compare_settings(first, second)
    lines += [
        f"- {key}: {a} → {b} ({places[0]}"
        + (f" and {len(places) - 1} more)" if places[1:] else ")")
        for (key, a, b), places in settings.items()
    ] or ["None."]
    lines += ["", "## Cells", ""]
    shown = cells if every or cells.empty else cells[cells.verdict != SAME]
    heads = ["table", "row", "data", "measure", "first", "second", "difference", "test", "verdict"]
    body = pd.DataFrame([cell_line(cell) for _, cell in shown.iterrows()], columns=heads)
    lines += [body.to_markdown(index=False, disable_numparse=True) if len(body) else "None differ."]
    return "\n".join(lines) + "\n"
