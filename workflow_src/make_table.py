"""Make one of the paper's tables from the metrics on disk: csv, md, tex."""

from pathlib import Path

import pandas as pd
import yaml

from workflow_src.command import run
from workflow_src.paper.cells import TableSpec, make_cells
from workflow_src.paper.tables import layout, notes, to_latex, to_markdown
from workflow_src.runs import write_text


def main(
    number: str, spec: TableSpec, published: Path, output: Path, remarks: list[str] | None = None
) -> None:
    """Make a table.

    Args:
        number: of the table in the paper.
        spec: rows, columns, and where their metrics lie.
        published: the paper's numbers.
        output: path without suffix; .csv, .md and .tex are written.
        remarks: further notes, such as the study's protocol.
    """
    paper = yaml.safe_load(published.read_text()).get(number, {})
    cells = make_cells(spec, paper)
    table, lines = layout(cells, spec), (remarks or []) + notes(cells, spec)
    title = f"Table {number}: {paper.get('title', '')}".rstrip(": ")
    cells = cells.dropna(axis=1, how="all")
    write_text(output.with_suffix(".csv"), cells.to_csv(index=False))
    write_text(output.with_suffix(".md"), to_markdown(title, table, lines))
    write_text(output.with_suffix(".tex"), to_latex(title, table, lines, number))
    with pd.option_context("display.width", 160, "display.max_columns", None):
        print(table)


if __name__ == "__main__":
    run(main)
