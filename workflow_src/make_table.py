"""Make a table from its metrics files: csv, md, tex; the json names the files of each cell."""

from dataclasses import asdict
from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.outputs import write_json, write_text
from workflow_src.common.provenance import provenance
from workflow_src.common.yaml_files import read_yaml
from workflow_src.paper.best import mark_best
from workflow_src.paper.cells import make_cells
from workflow_src.paper.measured import TableSpec
from workflow_src.paper.sources import content_hash, sources
from workflow_src.paper.tables import layout, notes, protocol, reasons, to_latex, to_markdown


def main(
    name: str, spec: TableSpec, published: Path, output: Path, remarks: list[str] | None = None
) -> None:
    """Make a table.

    Args:
        name: of the table; the paper's numbers are joined if it has one of this name.
        spec: rows, columns, and their metrics files.
        published: the paper's numbers.
        output: path without suffix; .csv, .md, .tex and .json are written.
        remarks: further notes, such as the study's protocol.
    """
    paper = read_yaml(published).get(name, {})
    cells = mark_best(make_cells(spec, paper), spec)
    table = layout(cells, spec)
    lines = notes(cells, spec) + reasons(cells, spec, paper.get("why", {}))
    caption = [*(remarks or []), *protocol(cells, spec)]
    title = f"Table {name}: {spec.title or paper.get('title', '')}".rstrip(": ")
    facts = {
        "name": name,
        "title": title,
        "notes": caption + lines,
        "headings": table[0],
        "rows": table[1],
        "cells": sources(cells, spec),
        "config": content_hash([asdict(spec), remarks]),
        "provenance": provenance("workflow_src.make_table"),
    }
    cells = cells.dropna(axis=1, how="all")
    write_text(output.with_suffix(".csv"), cells.to_csv(index=False))
    write_text(output.with_suffix(".md"), to_markdown(title, table, caption, lines))
    write_text(output.with_suffix(".tex"), to_latex(title, table, caption, lines, name))
    write_json(output.with_suffix(".json"), facts)
    print(output.with_suffix(".md").read_text())


if __name__ == "__main__":
    run(main)
