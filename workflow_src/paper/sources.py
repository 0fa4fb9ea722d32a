"""Where each cell of a table comes from: its metrics files, their hashes, their makers."""

import hashlib

import pandas as pd

from workflow_src.paper.cells import TableSpec, read_runs
from workflow_src.paper.columns import COLUMNS


def sources(cells: pd.DataFrame, spec: TableSpec) -> list[dict]:
    """For each cell its row, data set and column, and the files that its number is made of."""
    known = {}
    found = []
    for cell in cells[["row", "dataset", "column", "runs"]].itertuples():
        runs = read_runs(spec, cell.row, cell.dataset, COLUMNS[cell.column]) if cell.runs else []
        for path, facts in runs:
            made = facts.get("provenance", {})
            known[str(path)] = {
                "path": str(path),
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                **{key: made.get(key) for key in ("script", "code", "commit", "hardware")},
            }
        found.append(
            {
                "row": cell.row,
                "dataset": cell.dataset,
                "column": cell.column,
                "from": [known[str(path)] for path, _ in runs],
            }
        )
    return found
