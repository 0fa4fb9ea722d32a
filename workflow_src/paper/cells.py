"""Gathers a table's cells from metrics files: means over seeds, intervals, tests, the paper's."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from workflow_src.metrics.intervals import mean_interval, paired_difference
from workflow_src.study.columns import COLUMNS, Column

STAND_IN = "stand-in"
# Where a kind of metrics says how many images it is over.
IMAGES = {
    "fidelity": ("synthetic_images",),
    "faithfulness": ("all", "images"),
    "score": ("all", "images"),
}


@dataclass
class TableSpec:
    """What a table shows.

    Args:
        rows: names and labels of the rows, in order.
        datasets: names and labels of the data sets, in order.
        columns: names of COLUMNS.
        seeds: of the runs.
        files: pattern of the metrics file of each kind, with {row}, {dataset} and {seed}.
        reference: the row that the others are tested against.
    """

    rows: dict[str, str]
    datasets: dict[str, str]
    columns: list[str]
    seeds: list[int]
    files: dict[str, str] = field(default_factory=dict)
    reference: str | None = None


def value_at(facts: dict, path: tuple[str, ...]):
    """Follow keys into a metrics file; None where the measure was not run."""
    for key in path:
        if facts is None:
            return None
        facts = facts.get(key)
    return facts


def read_runs(spec: TableSpec, row: str, dataset: str, column: Column) -> list[tuple[Path, dict]]:
    """The metrics files of a cell that are there: one a seed, or one for all, as of cost."""
    pattern = spec.files[column.kind]
    paths = {Path(pattern.format(row=row, dataset=dataset, seed=seed)) for seed in spec.seeds}
    return [(path, json.loads(path.read_text())) for path in sorted(paths) if path.is_file()]


def values_by_seed(spec: TableSpec, row: str, dataset: str, column: Column) -> dict[int, float]:
    """A cell's value at each seed that was run, in the column's unit."""
    values = {
        seed: value_at(facts, column.path)
        for seed in spec.seeds
        for _, facts in read_runs(replace(spec, seeds=[seed]), row, dataset, column)
    }
    return {seed: value * column.scale for seed, value in values.items() if value is not None}


def per_image_scores(runs: list[tuple[Path, dict]], name: str) -> pd.DataFrame:
    """Scores of each image, averaged over the seeds: stem, source, case, value; copies left out."""
    text = dict.fromkeys(("stem", "source", "case", "duplicate_of"), str)
    tables = [
        pd.read_csv(path.parent / "metrics.csv", dtype=text, keep_default_na=False)
        for path, _ in runs
    ]
    first = tables[0]
    value = np.mean([t[name].astype(float) for t in tables], axis=0)
    frame = first[["stem", "source", "case"]].assign(value=value)
    names = (first.source + "/" + first.stem).tolist()
    return frame[~first.duplicate_of.isin(names)]


def interval_over_seeds(values: list[float]) -> tuple[float, float]:
    """95 % interval of a mean over seeds by Student's t; (nan, nan) for a single one."""
    if len(values) < 2:
        return float("nan"), float("nan")
    mean, error = np.mean(values), stats.sem(values)
    half = stats.t.ppf(0.975, len(values) - 1) * error
    return float(mean - half), float(mean + half)


def make_cell(spec: TableSpec, row: str, dataset: str, name: str, published: dict) -> dict:
    """One row of the long table: a cell with all that is known of it."""
    column = COLUMNS[name]
    runs = read_runs(spec, row, dataset, column)
    paper = value_at(published, ("rows", row, dataset, name))
    cell = {
        "row": row,
        "label": spec.rows[row],
        "dataset": dataset,
        "column": name,
        "runs": len(runs),
        "published": paper,
    }
    values = [value_at(facts, column.path) for _, facts in runs]
    values = [value for value in values if value is not None]
    if not values:
        return cell | {"text": "not run"}
    if name == "stability":
        stable = all(values)
        reasons = sorted({reason for _, facts in runs for reason in facts["because"]})
        figures = {
            key: max(facts[key] for _, facts in runs)
            for key in ("not_finite", "loss_spike", "gradient_spike", "weight_max")
        }
        figures["weight_mean"] = min(facts["weight_mean"] for _, facts in runs)
        text = "Stable" if stable else f"Unstable ({', '.join(reasons)})"
        return cell | {"text": text, **figures}
    values = [value * column.scale for value in values]
    low, high = interval_over_seeds(values)
    basis = "seeds"
    if column.per_image and len(values) == 1:
        scores = per_image_scores(runs, column.per_image)
        low, high = (e * column.scale for e in mean_interval(scores.value, scores.case))
        basis = "images"
    mean = float(np.mean(values))
    cell |= {"mean": mean, "low": low, "high": high, "interval_over": basis}
    counts = [value_at(facts, IMAGES.get(column.kind, ("",))) for _, facts in runs]
    if counts[0] is not None:
        cell["images"] = min(counts)
    missing = {s for _, facts in runs for s, part in facts.get("sets", {}).items() if part is None}
    if missing:
        cell["sets_not_run"] = " ".join(sorted(missing))
    if column.extractor:
        cell["extractor"] = runs[0][1][column.extractor]["extractor"]
    # Random features give a number of another kind: no difference to the paper's means anything.
    if paper is not None and STAND_IN not in cell.get("extractor", ""):
        cell["difference"] = mean - paper
    return cell


def add_tests(cells: pd.DataFrame, spec: TableSpec) -> pd.DataFrame:
    """Test every row against the reference, image by image, with the seeds' scores averaged."""
    if spec.reference is None:
        return cells
    tests = []
    for _, cell in cells.iterrows():
        column = COLUMNS[cell.column]
        if not column.per_image or cell.row == spec.reference or pd.isna(cell.get("mean")):
            tests.append({})
            continue
        runs = [read_runs(spec, row, cell.dataset, column) for row in (cell.row, spec.reference)]
        if not all(runs):
            tests.append({})
            continue
        ours, theirs = (per_image_scores(found, column.per_image) for found in runs)
        both = ours.merge(theirs, on=["source", "stem", "case"], suffixes=("", "_reference"))
        test = paired_difference(both.value, both.value_reference, both.case)
        scale = column.scale
        tests.append(
            {
                "reference": spec.reference,
                "gain": test["difference"] * scale,
                "gain_low": test["low"] * scale,
                "gain_high": test["high"] * scale,
                "gain_p": test["p"],
                "gain_images": len(both),
            }
        )
    return pd.concat([cells, pd.DataFrame(tests, index=cells.index)], axis=1)


def make_cells(spec: TableSpec, published: dict) -> pd.DataFrame:
    """All cells of a table in reading order; rows that only the paper has come last, as not run."""
    cells = [
        make_cell(spec, row, dataset, name, published)
        for row in spec.rows
        for dataset in spec.datasets
        for name in spec.columns
    ]
    for row, by_dataset in published.get("rows", {}).items():
        for dataset in spec.datasets:
            for name in spec.columns:
                if row not in spec.rows and name in by_dataset.get(dataset, {}):
                    paper = by_dataset[dataset][name]
                    cells.append(
                        {"row": row, "label": row, "dataset": dataset, "column": name, "runs": 0,
                         "published": paper, "text": "not run"}
                    )  # fmt: skip
    return add_tests(pd.DataFrame(cells), spec)
