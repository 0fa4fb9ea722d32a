"""Which number of a column may be set in bold: the best, where tests say that it is."""

import pandas as pd

from workflow_src.paper.measured import TableSpec, read_runs
from workflow_src.paper.paired import difference
from workflow_src.study.columns import COLUMNS

LEVEL = 0.05


def p_against(spec: TableSpec, row: str, other: str, dataset: str, name: str) -> float:
    """p of a row's difference to another; 1 where there is no test, or one training of either."""
    column = COLUMNS[name]
    ours, theirs = (read_runs(spec, name, dataset, column) for name in (row, other))
    found = difference(ours, theirs, column)
    return found.estimate.p() if found is not None and found.repeated else 1.0


def mark_best(cells: pd.DataFrame, spec: TableSpec) -> pd.DataFrame:
    """Add `best` and `best_p`, the largest p of its tests, to the best cell of each column.

    It must differ from every other row, over trainings too; all tests having to agree, none needs a
    correction. Costs are counted, not estimated, and are left as they are.
    """
    cells = cells.assign(best=None, best_p=float("nan"))
    compared = cells.get("mean", cells.row).notna() & ~cells.row.isin(list(spec.real))
    for (dataset, name), part in cells[compared].groupby(["dataset", "column"]):
        column = COLUMNS[name]
        if not column.best or column.kind == "cost" or len(part) < 2 or "mean" not in part:
            continue
        top = part["mean"].idxmax() if column.best == "high" else part["mean"].idxmin()
        p = max(
            p_against(spec, part.row[top], other, dataset, name)
            for other in part.row.drop(index=top)
        )
        cells.loc[top, ["best", "best_p"]] = p < LEVEL, p
    return cells
