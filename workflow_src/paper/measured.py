"""What was measured for a table: its metrics files, and the values in them."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from workflow_src.common.errors import InputError
from workflow_src.common.json_files import read_json
from workflow_src.data.tables import TEXT, read_table
from workflow_src.study.columns import METRICS, Column

Runs = list[tuple[Path, dict]]  # metrics files with their content


@dataclass
class TableSpec:
    """What a table shows.

    Args:
        rows: names and labels of the rows, in order.
        datasets: names and labels of the data sets, in order.
        columns: names of COLUMNS, as shown.
        seeds: of the runs.
        files: the metrics files by kind, data set and row: one per seed, in order, or one for all.
        reference: the row that the others are tested against.
        drawn: data sets that are phantoms, and are compared with nothing of the paper's.
        title: heading; the paper's if empty.
        more: names of COLUMNS that only the csv holds.
        real: names and labels of rows below these, of real images scored as the methods' are.
    """

    rows: dict[str, str]
    datasets: dict[str, str]
    columns: list[str]
    seeds: list[int]
    files: dict[str, dict[str, dict[str, list[Path]]]] = field(default_factory=dict)
    reference: str | None = None
    drawn: list[str] = field(default_factory=list)
    title: str = ""
    more: list[str] = field(default_factory=list)
    real: dict[str, str] = field(default_factory=dict)


def value_at(facts: dict | None, path: tuple[str, ...]):
    """Follow keys into a metrics file; None where the measure was not run."""
    for key in path:
        if facts is None:
            return None
        facts = facts.get(key)
    return facts


def read_runs(spec: TableSpec, row: str, dataset: str, column: Column) -> Runs:
    """The metrics files of a cell: one per seed, or one for all, as of cost.

    Raises:
        InputError: if the table was given none for it, or one is damaged.
        FileNotFoundError: if one is not there.
    """
    paths = spec.files.get(column.kind, {}).get(dataset, {}).get(row)
    if not paths:
        raise InputError(f"no {column.kind} metrics of {row} on {dataset} were given: name them")
    return [(path, read_json(path)) for path in paths]


def training_scores(runs: Runs, column: Column) -> pd.DataFrame:
    """Scores of the images that all trainings were scored on, in the file's unit; copies left out.

    Of a column over one size of lesions, of these images alone.

    Returns:
        One column per training, and the images' source, stem and case as the index.
    """
    found = []
    for path, _ in runs:
        beside = path.with_name(METRICS[column.kind].per_image)
        table = read_table(beside, *TEXT[:4], column.per_image, marker=path.name)
        table = table[~table.duplicate_of.isin((table.source + "/" + table.stem).tolist())]
        if column.size:
            table = table[table.lesion_size == column.size]
        index = pd.MultiIndex.from_frame(table[["source", "stem", "case"]])
        values = table[column.per_image].astype(float).to_numpy()
        found.append(pd.Series(values, index))
    return pd.concat(found, axis=1, join="inner", keys=range(len(found)))


def per_image_scores(runs: Runs, column: Column) -> pd.DataFrame:
    """Scores of each image, averaged over the trainings: source, stem, case, value."""
    averaged = training_scores(runs, column).mean(axis=1)
    return averaged.rename("value").reset_index()
