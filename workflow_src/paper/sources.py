"""Where each cell of a table comes from: its metrics files, and the runs that made them."""

import hashlib
import json

import pandas as pd

from workflow_src.common.hashing import file_sha256
from workflow_src.paper.measured import TableSpec, read_runs
from workflow_src.study.columns import COLUMNS


def content_hash(content) -> str:
    """Hex digest of data for JSON, paths among it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def sources(cells: pd.DataFrame, spec: TableSpec) -> list[dict]:
    """For each cell its row, data set and column, and the files that its number is made of.

    A file names the script that wrote it, with its code, commit, hardware and environment (the hash
    of requirements.lock), and the hashes of the trained weights and of the data that it judges.
    """
    known = {}
    found = []
    for cell in cells[["row", "dataset", "column", "runs"]].itertuples():
        runs = read_runs(spec, cell.row, cell.dataset, COLUMNS[cell.column]) if cell.runs else []
        for path, facts in runs:
            made = facts.get("provenance", {})
            known[str(path)] = {
                "path": str(path),
                "sha256": file_sha256(path),
                **{key: made.get(key) for key in ("script", "code", "commit", "hardware", "lock")},
                "weights": facts.get("model") if isinstance(facts.get("model"), str) else None,
                "data": content_hash(facts["data"]) if "data" in facts else None,
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
