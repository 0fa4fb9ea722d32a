"""Writes a table: csv with all that is known, Markdown and LaTeX as the paper lays it out."""

import pandas as pd

from workflow_src.paper.cells import TableSpec
from workflow_src.paper.columns import COLUMNS

STAND_IN = "stand-in"


def number(value: float, name: str) -> str:
    """A value in the table's format."""
    if name == "parameters":
        return f"{value:,.0f}" if value < 1e6 else f"{value / 1e6:.2f}M"
    return f"{value:.{COLUMNS[name].decimals}f}"


def cell_text(cell: pd.Series) -> str:
    """Ours with its interval, and the paper's in brackets."""
    if isinstance(cell.get("text"), str):
        ours = cell["text"]
    else:
        ours = number(cell["mean"], cell["column"])
        if pd.notna(cell["low"]):
            low, high = (number(cell[end], cell["column"]) for end in ("low", "high"))
            ours += f" [{low}, {high}]"
    paper = cell["published"]
    if pd.isna(paper):
        return ours
    return f"{ours} ({paper if isinstance(paper, str) else number(paper, cell['column'])})"


def heading(cells: pd.DataFrame, spec: TableSpec, dataset: str, name: str) -> str:
    """Data set, measure, direction, and the stand-in where one made the number."""
    column = COLUMNS[name]
    arrow = {"low": " ↓", "high": " ↑"}.get(column.best, "")
    text = f"{column.title}{arrow}"
    if column.extractor and "extractor" in cells:
        names = cells.loc[(cells.column == name) & (cells.dataset == dataset), "extractor"]
        stand_ins = [n for n in names.dropna().unique() if STAND_IN in n]
        if stand_ins:
            text = f"{text} [{stand_ins[0]}]"
    return f"{spec.datasets[dataset]}: {text}" if len(spec.datasets) > 1 else text


def layout(cells: pd.DataFrame, spec: TableSpec) -> pd.DataFrame:
    """The table as read: a row a method, a column a measure."""
    rows = []
    for row in cells.row.unique():
        part = cells[cells.row == row]
        line = {"": part.label.iloc[0]}
        for dataset in spec.datasets:
            for name in spec.columns:
                found = part[(part.dataset == dataset) & (part.column == name)]
                text = cell_text(found.iloc[0]) if len(found) else ""
                line[heading(cells, spec, dataset, name)] = text
        rows.append(line)
    return pd.DataFrame(rows)


def notes(cells: pd.DataFrame, spec: TableSpec) -> list[str]:
    """What a reader must know: seeds, intervals, stand-ins, sets not run, tests."""
    seeds = ", ".join(map(str, spec.seeds))
    lines = [f"Ours, with the paper's figure in round brackets. Seeds: {seeds}."]
    if "interval_over" in cells and cells.low.notna().any():
        over = cells.loc[cells.low.notna(), "interval_over"].unique()
        lines.append(
            f"Square brackets: 95 % interval over {' and '.join(sorted(over))}"
            + (" (bootstrap, by case)" if "images" in over else "")
            + "."
        )
    if "sets_not_run" in cells:
        for dataset, part in cells.dropna(subset="sets_not_run").groupby("dataset", sort=False):
            missing = ", ".join(sorted({n for text in part.sets_not_run for n in text.split()}))
            lines.append(f"{spec.datasets[dataset]}: not run, and in no mean: {missing}.")
    if "extractor" in cells and cells.extractor.str.contains(STAND_IN, na=False).any():
        lines.append(
            "Stand-in features were used instead of Inception and CLIP: these numbers compare "
            "methods within this study and cannot be compared with the paper's."
        )
    if spec.reference and "gain" in cells:
        for _, cell in cells[cells.gain.notna()].iterrows():
            lines.append(
                f"{cell.label}, {spec.datasets[cell.dataset]}, {COLUMNS[cell.column].title}: "
                f"{cell.gain:+.1f} [{cell.gain_low:+.1f}, {cell.gain_high:+.1f}] against "
                f"{spec.rows[spec.reference]} (paired over {cell.gain_images:.0f} images, "
                f"sign-flip p {p_text(cell.gain_p)})."
            )
    return lines


def p_text(p: float) -> str:
    """A p-value: never "0"."""
    return f"= {p:.3f}" if p >= 0.001 else "< 0.001"


def to_markdown(title: str, table: pd.DataFrame, remarks: list[str]) -> str:
    """The table with its title and notes."""
    lines = [f"# {title}", "", table.to_markdown(index=False, disable_numparse=True), ""]
    return "\n".join(lines + [f"- {remark}" for remark in remarks]) + "\n"


LATEX = str.maketrans(
    {"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
     "×": r"$\times$", "³": "$^3$"}
)  # fmt: skip


def to_latex(title: str, table: pd.DataFrame, remarks: list[str], number_: str) -> str:
    """A booktabs table, ready to \\input."""
    body = table.map(lambda text: text.translate(LATEX))
    body.columns = [name.translate(LATEX) for name in table.columns]
    columns = "l" + "c" * (body.shape[1] - 1)
    tabular = body.to_latex(index=False, escape=False, column_format=columns)
    caption = " ".join([f"{title}.", *remarks]).translate(LATEX)
    return (
        "\\begin{table}[t]\n\\centering\n\\small\n"
        f"\\caption{{{caption}}}\n\\label{{tab:{number_}}}\n{tabular}\\end{{table}}\n"
    )
