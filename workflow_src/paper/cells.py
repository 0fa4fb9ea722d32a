"""Gathers a table's cells from metrics files: means over seeds, intervals, tests, the paper's."""

import pandas as pd

from workflow_src.paper.floors import at_equal_numbers
from workflow_src.paper.measured import TableSpec, read_runs, value_at
from workflow_src.paper.paired import difference, mean_of
from workflow_src.study.columns import COLUMNS, METRICS


def make_cell(spec: TableSpec, row: str, dataset: str, name: str, published: dict) -> dict:
    """One row of the long table: a cell with all that is known of it."""
    column = COLUMNS[name]
    runs = read_runs(spec, row, dataset, column)
    paper = None if dataset in spec.drawn else value_at(published, ("rows", row, dataset, name))
    cell = {
        "row": row,
        "label": (spec.rows | spec.real)[row],
        "dataset": dataset,
        "column": name,
        "runs": len(runs),
        "published": paper,
    }
    values = [value_at(facts, column.path) for _, facts in runs]
    values = [value for value in values if value is not None]
    if column.size and (bounds := runs[0][1]["lesion_thirds"]):
        cell |= {"small_below": 100 * bounds[0], "large_from": 100 * bounds[1]}
    if not values:
        return cell | {"text": "no such lesion" if column.size else "not run"}
    if column.verdict:
        reasons = sorted({reason for _, facts in runs for reason in facts["because"]})
        good, bad = column.verdict
        text = good if all(values) else f"{bad} ({', '.join(reasons)})"
        worst = {key: of(facts[key] for _, facts in runs) for key, of in column.worst.items()}
        return cell | {"text": text, **worst}
    measured = mean_of(runs, column)
    if measured is None:
        return cell | {"text": "not run"}
    low, high = measured.estimate.interval()
    mean = float(measured.estimate.value)
    cell |= {"mean": mean, "low": low, "high": high, "interval_over": measured.unit}
    if measured.images:
        cell["cases"] = measured.cases
    counted = ("by_size", column.size, "images") if column.size else METRICS[column.kind].images
    counts = [value_at(facts, counted or ("",)) for _, facts in runs]
    if counts[0] is not None:
        cell["images"] = min(counts)
    missing = {s for _, facts in runs for s, part in facts.get("sets", {}).items() if part is None}
    if missing:
        cell["sets_not_run"] = " ".join(sorted(missing))
    if known := runs[0][1].get("cases"):
        cell |= {"guessed_images": known["guessed_images"], "shared_cases": known["shared"]}
    if column.outline and (outline := runs[0][1]["boundary"]):
        cell |= {"tolerance": outline["tolerance"], "unit": outline["unit"]}
    if column.extractor:
        made = runs[0][1][column.extractor]
        cell["extractor"] = f"{made['extractor']}, {made['resize']}"
        cell |= at_equal_numbers(spec, row, dataset, column)
    if paper is not None:
        cell["difference"] = mean - paper
    return cell


def add_tests(cells: pd.DataFrame, spec: TableSpec) -> pd.DataFrame:
    """Test every row against the reference, over trainings and the cases that both have."""
    if spec.reference is None:
        return cells
    return cells.join(pd.DataFrame([gain(cell, spec) for _, cell in cells.iterrows()]))


def gain(cell: pd.Series, spec: TableSpec) -> dict:
    """A cell's difference to the reference row, interval and p; empty where nothing is tested."""
    column = COLUMNS[cell.column]
    if spec.reference is None or column.kind == "cost" or pd.isna(cell.get("mean")):
        return {}
    if cell.row not in spec.rows or cell.row == spec.reference:
        return {}
    ours = read_runs(spec, cell.row, cell.dataset, column)
    theirs = read_runs(spec, spec.reference, cell.dataset, column)
    found = difference(ours, theirs, column)
    if found is None or not found.unit:
        return {}
    low, high = found.estimate.interval()
    return {
        "reference": spec.reference,
        "gain": found.estimate.value,
        "gain_low": low,
        "gain_high": high,
        "gain_p": found.estimate.p(),
        "gain_over": found.over,
        "gain_images": found.images,
        "gain_decides": found.repeated,
    }


def make_cells(spec: TableSpec, published: dict) -> pd.DataFrame:
    """All cells of a table in reading order; rows that only the paper has come last, as not run."""
    cells = [
        make_cell(spec, row, dataset, name, published)
        for row in spec.rows
        for dataset in spec.datasets
        for name in (*spec.columns, *spec.more)
    ]
    cells += [
        make_cell(spec, row, dataset, name, {})
        for row in spec.real
        for dataset in spec.datasets
        for name in (*spec.columns, *spec.more)
        if COLUMNS[name].kind == "fidelity"
    ]
    for row, by_dataset in published.get("rows", {}).items():
        for dataset in (d for d in spec.datasets if d not in spec.drawn):
            for name in spec.columns:
                if row not in spec.rows and name in by_dataset.get(dataset, {}):
                    paper = by_dataset[dataset][name]
                    cells.append(
                        {"row": row, "label": row, "dataset": dataset, "column": name, "runs": 0,
                         "published": paper, "text": "not run"}
                    )  # fmt: skip
    return add_tests(pd.DataFrame(cells), spec)
