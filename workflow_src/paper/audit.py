"""The paper's numbers against arithmetic, against each other, and against what was measured.

A check is a function from the published numbers (config/published.yaml) and a study to findings. It
computes; what a finding means, and what this project does about it, is text beside the arithmetic.
"""

from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from workflow_src.study.columns import COLUMNS

KINDS = {
    "impossible": "What cannot be",
    "contradiction": "What contradicts itself",
    "measured": "What differs from what we measure",
    "right": "What was checked and is right",
}


@dataclass(frozen=True)
class Finding:
    """One result of the audit.

    Args:
        kind: one of KINDS.
        place: in the paper.
        claim: what is said there.
        arithmetic: what the code computed from it.
        consequence: why it matters to a reader.
        action: what this project does about it.
    """

    kind: str
    place: str
    claim: str
    arithmetic: str
    consequence: str = ""
    action: str = ""


@dataclass
class Study:
    """What was measured here, for the checks that need it.

    Args:
        costs: measure_cost's facts of each model.
        lesions: lesion fractions of each data set's training images.
        tables: the long tables of the study, by name.
        reduced: models whose network is smaller here than the published one, by name.
    """

    costs: dict[str, dict] = field(default_factory=dict)
    lesions: dict[str, np.ndarray] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    reduced: list[str] = field(default_factory=list)


def published_cell(paper: dict, cell: list[str]):
    """A published number by [table, row, data set, column]; None where the paper has none."""
    table, row, dataset, column = cell
    return paper[table]["rows"].get(row, {}).get(dataset, {}).get(column)


def half_unit(value: float, column: str) -> float:
    """Half of the last digit that the paper prints: a rounded number may be off by so much."""
    if column == "parameters":
        unit = 1e6 if value >= 1e7 else 1e5 if value >= 1e5 else 1e3
    elif column == "gflops":
        unit = 1.0 if value >= 1 else 0.01
    else:
        unit = 10 ** -COLUMNS[column].decimals
    return unit / 2


def scores_of(paper: dict) -> list[tuple[str, str, str, dict]]:
    """Every (table, row, data set, columns) that the paper prints."""
    return [
        (number, row, dataset, columns)
        for number, table in paper.items()
        if number.isdigit()
        for row, datasets in table["rows"].items()
        for dataset, columns in datasets.items()
    ]


def to_markdown(findings: list[Finding]) -> str:
    """The audit as text, by kind."""
    lines = [
        "# Audit of the published numbers",
        "",
        "Computed from `config/published.yaml` and this study's measurements; no line is copied.",
    ]
    for kind, title in KINDS.items():
        part = [f for f in findings if f.kind == kind]
        lines += ["", f"## {title} ({len(part)})"]
        for number, finding in enumerate(part, 1):
            lines += ["", f"{number}. **{finding.place}**: {finding.claim}"]
            lines += [f"   - Arithmetic: {finding.arithmetic}"]
            if finding.consequence:
                lines += [f"   - Consequence: {finding.consequence}"]
            if finding.action:
                lines += [f"   - Here: {finding.action}"]
    return "\n".join(lines) + "\n"


def to_json(findings: list[Finding]) -> list[dict]:
    """The audit as data."""
    return [asdict(finding) for finding in findings]
