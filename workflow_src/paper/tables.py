"""Writes a table: csv with all that is known, Markdown and LaTeX as the paper lays it out."""

from collections.abc import Callable, Iterator
from typing import get_args

import pandas as pd

from workflow_src.paper.floors import remarks as distance_remarks
from workflow_src.paper.measured import TableSpec
from workflow_src.study.columns import COLUMNS, METRICS, Size


def signed(value: float, name: str) -> str:
    """A difference in the table's format, with its sign."""
    return ("-" if value < 0 else "+") + COLUMNS[name].written(abs(value))


def cell_text(cell: pd.Series) -> tuple[str, str]:
    """Ours; and its interval, with the paper's and the difference to it in round brackets."""
    rest, written = "", COLUMNS[cell["column"]].written
    if isinstance(cell.get("text"), str):
        ours = cell["text"]
    else:
        ours = written(cell["mean"])
        if pd.notna(cell["low"]):
            low, high = (written(cell[end]) for end in ("low", "high"))
            rest = f" [{low}, {high}]"
    paper = cell["published"]
    if pd.notna(paper):
        beside = paper if isinstance(paper, str) else written(paper)
        if pd.notna(cell.get("difference")):
            beside += f"; {signed(cell['difference'], cell['column'])}"
        rest += f" ({beside})"
    return ours, rest


def heading(spec: TableSpec, dataset: str, name: str) -> str:
    """Data set, measure and direction."""
    column = COLUMNS[name]
    text = column.title + {"low": " ↓", "high": " ↑"}.get(column.best, "")
    return f"{spec.datasets[dataset]}: {text}" if len(spec.datasets) > 1 else text


def layout(cells: pd.DataFrame, spec: TableSpec) -> tuple[list[str], list[dict]]:
    """The table as read: headings, and rows of cells with ours, rest, best and value."""
    places = [(dataset, name) for dataset in spec.datasets for name in spec.columns]
    headings = [heading(spec, *place) for place in places]
    rows = []
    for row in cells.row.unique():
        part = cells[cells.row == row]
        line = []
        for dataset, name in places:
            found = part[(part.dataset == dataset) & (part.column == name)]
            if found.empty:
                line.append({"ours": "", "rest": "", "best": False, "value": None})
                continue
            cell = found.iloc[0]
            ours, rest = cell_text(cell)
            value = cell.get("mean")
            line.append(
                {
                    "ours": ours,
                    "rest": rest,
                    "best": bool(cell.get("best") is True),
                    "value": None if pd.isna(value) else float(value),
                }
            )
        rows.append({"label": part.label.iloc[0], "cells": line})
    return headings, rows


def written(
    table: tuple[list[str], list[dict]], escape: Callable[[str], str], bold: str
) -> pd.DataFrame:
    """The table in a markup: its text escaped, the best number of a column in bold."""
    headings, rows = table
    lines = [
        [escape(row["label"])]
        + [
            (bold if cell["best"] else "{}").format(escape(cell["ours"])) + escape(cell["rest"])
            for cell in row["cells"]
        ]
        for row in rows
    ]
    return pd.DataFrame(lines, columns=["", *map(escape, headings)])


def protocol(cells: pd.DataFrame, spec: TableSpec) -> list[str]:
    """What the numbers are over: seeds, and images of each data set."""
    lines = [f"Seeds: {', '.join(map(str, spec.seeds))}."]
    if "images" in cells:
        whole = ~cells.column.map(lambda name: bool(COLUMNS[name].size))
        ours = cells[whole & ~cells.row.isin(list(spec.real))].dropna(subset="images")
        for dataset, part in ours.groupby("dataset", sort=False):
            kinds = part.groupby(part.column.map(lambda name: COLUMNS[name].kind), sort=False)
            counts = [f"{found.images.min():.0f} {METRICS[kind].counted}" for kind, found in kinds]
            lines.append(f"{spec.datasets[dataset]}: {', '.join(dict.fromkeys(counts))}.")
    return lines


def reasons(cells: pd.DataFrame, spec: TableSpec, why: dict[str, str]) -> list[str]:
    """Why the paper's costs differ from ours, of the rows that are there and compared."""
    compared = cells[~cells.dataset.isin(spec.drawn)]
    labels = compared.drop_duplicates("row").set_index("row").label
    return [
        f"{labels[row]}, the paper's cost: {text}" for row, text in why.items() if row in labels
    ]


def notes(cells: pd.DataFrame, spec: TableSpec) -> list[str]:
    """What a reader must know: how to read a cell, intervals, distances, sets not run, tests."""
    lines = []
    if cells.published.notna().any():
        lines.append("Ours; in round brackets the paper's figure, and by how much ours differs.")
    if spec.drawn:
        drawn = ", ".join(spec.datasets[dataset] for dataset in spec.drawn)
        lines.append(f"Phantoms ({drawn}): compared with nothing of the paper's.")
    if "best" in cells and cells.best.eq(True).any():
        lines.append(
            "Bold: better than every other row, over trainings and cases, or over trainings where "
            "the measure has no value per image (p < 0.05 each); none with one training a row."
        )
    if "interval_over" in cells and cells.low.notna().any():
        over = sorted(cells.loc[cells.low.notna(), "interval_over"].unique(), key=len)
        lines.append(f"Square brackets: 95 % interval over {'; or over '.join(over)}.")
        if "cases" in over:
            lines.append("An interval over cases alone is about one trained network, not a method.")
    lines += case_notes(cells, spec) + score_notes(cells, spec)
    if "sets_not_run" in cells:
        for dataset, part in cells.dropna(subset="sets_not_run").groupby("dataset", sort=False):
            missing = ", ".join(sorted({n for text in part.sets_not_run for n in text.split()}))
            lines.append(f"{spec.datasets[dataset]}: not run, and in no mean: {missing}.")
    lines += distance_remarks(cells, spec)
    if spec.reference and "gain" in cells:
        for _, cell in cells[cells.gain.notna()].iterrows():
            lines.append(
                f"{cell.label}, {spec.datasets[cell.dataset]}, {COLUMNS[cell.column].title}: "
                f"{cell.gain:+.1f} [{cell.gain_low:+.1f}, {cell.gain_high:+.1f}] against "
                f"{spec.rows[spec.reference]} ({cell.gain_over}, p {p_text(cell.gain_p)}"
                f"{'' if cell.gain_decides else ': these two networks, not the methods'})."
            )
    return lines


def case_notes(cells: pd.DataFrame, spec: TableSpec) -> list[str]:
    """Where cases are guessed, and where they stand on both sides of the split."""
    lines = []
    for name, text in (
        ("guessed_images", "the cases of {} test images are guessed from their likeness"),
        ("shared_cases", "{} cases have images among the training images too, which flatters"),
    ):
        if name in cells:
            for dataset, part in cells[cells[name] > 0].groupby("dataset", sort=False):
                lines.append(f"{spec.datasets[dataset]}: {text.format(int(part[name].max()))}.")
    return lines


def score_notes(cells: pd.DataFrame, spec: TableSpec) -> list[str]:
    """How scores by lesion size are parted, and in what unit outlines are compared."""
    lines = []
    if "small_below" in cells:
        sized = cells.dropna(subset="small_below").drop_duplicates("dataset")
        for cell in sized.itertuples():
            counts = ", ".join(
                f"{part.images.min():.0f} {size}"
                for size, part in _by_size(cells[cells.dataset == cell.dataset])
            )
            lines.append(
                f"{spec.datasets[cell.dataset]}, by lesion size, in the csv where not shown: small "
                f"below {cell.small_below:.3g} % of the image, large from {cell.large_from:.3g} %, "
                f"the thirds of the training set's lesions; images: {counts}."
            )
    if "tolerance" in cells:
        for cell in cells.dropna(subset="tolerance").drop_duplicates("dataset").itertuples():
            lines.append(
                f"{spec.datasets[cell.dataset]}, outlines: in {cell.unit}; surface Dice at a "
                f"tolerance of {cell.tolerance:g}; a prediction without a lesion counts as far off "
                "as the image's diagonal."
            )
    return lines


def _by_size(cells: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The cells of each size of lesions of which there are images."""
    for size in get_args(Size):
        part = cells[cells.column.map(lambda name, size=size: COLUMNS[name].size == size)]
        if "images" in part and part.images.notna().any():
            yield size, part


def p_text(p: float) -> str:
    """A p-value: never "0"."""
    return f"= {p:.3f}" if p >= 0.001 else "< 0.001"


def to_markdown(title: str, table: tuple, caption: list[str], remarks: list[str]) -> str:
    """The table with its title and notes."""
    body = written(table, lambda text: text.replace("|", r"\|"), "**{}**")
    lines = [f"# {title}", "", body.to_markdown(index=False, disable_numparse=True), ""]
    return "\n".join(lines + [f"- {remark}" for remark in caption + remarks]) + "\n"


LATEX = str.maketrans(
    {"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
     "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
     "↓": r"$\downarrow$", "↑": r"$\uparrow$", "×": r"$\times$", "³": "$^3$", "²": "$^2$",
     "<": "$<$", ">": "$>$", "±": r"$\pm$", "−": "$-$", "δ": r"$\delta$", "Δ": r"$\Delta$"}
)  # fmt: skip


def to_latex(title: str, table: tuple, caption: list[str], remarks: list[str], name: str) -> str:
    r"""A booktabs table, ready to \input; it needs the packages booktabs and graphicx.

    The caption is title and protocol; the remarks stand below, and a table too wide is shrunk.
    """
    body = written(table, lambda text: text.translate(LATEX), r"\textbf{{{}}}")
    columns = "l" + "c" * (body.shape[1] - 1)
    tabular = body.to_latex(index=False, escape=False, column_format=columns).rstrip()
    above, below = (" ".join(t).translate(LATEX) for t in ([f"{title}.", *caption], remarks))
    fit = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    return (
        "\\begin{table}[t]\n\\centering\n\\small\n"
        f"\\caption{{{above}}}\n\\label{{tab:{name}}}\n"
        f"{fit}\n{tabular}}}\n\\par\\smallskip\n"
        f"\\begin{{minipage}}{{\\linewidth}}\\footnotesize\n{below}\n\\end{{minipage}}\n"
        "\\end{table}\n"
    )
