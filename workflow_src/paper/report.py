"""What report.html shows: verdicts, tables, figures, audit, run times, where cells come from."""

import base64
from pathlib import Path

import pandas as pd

from workflow_src.paper.audit import KINDS
from workflow_src.paper.claims import VERDICTS, effect_text, verdict_text


def read_figure(title: str, path: Path, captions: Path, remark: str) -> dict:
    """Name, title, caption and picture of a figure."""
    caption = " ".join((captions / f"{path.stem}.rst").read_text().split())
    return {
        "name": path.stem,
        "title": title,
        "caption": f"{caption} {remark}".strip(),
        "png": base64.b64encode(path.read_bytes()).decode(),
    }


def verdicts(claims: dict[str, dict]) -> list[dict]:
    """The claims by verdict, in the order of VERDICTS."""
    return [
        {
            "verdict": verdict,
            "claims": [
                claim | {"name": name, "shown": effect_text(claim), "said": verdict_text(claim)}
                for name, claim in claims.items()
                if claim["verdict"] == verdict
            ],
        }
        for verdict in VERDICTS
    ]


def audit_parts(findings: list[dict]) -> list[dict]:
    """The audit's findings by kind."""
    return [
        {"kind": kind, "title": title, "findings": [f for f in findings if f["kind"] == kind]}
        for kind, title in KINDS.items()
    ]


def run_times(benchmarks: Path) -> list[dict]:
    """Jobs, seconds and largest memory (MiB) of each rule, from Snakemake's benchmark files."""
    rows = []
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        measured = pd.read_csv(path, sep="\t")
        memory = pd.to_numeric(measured.max_rss, errors="coerce").max()
        rows.append({"rule": rule, "seconds": measured.s.sum(), "memory": memory})
    if not rows:
        return []
    by_rule = pd.DataFrame(rows).groupby("rule")
    table = by_rule.agg(
        jobs=("seconds", "size"),
        total=("seconds", "sum"),
        longest=("seconds", "max"),
        memory=("memory", "max"),
    )
    return table.sort_values("total", ascending=False).reset_index().to_dict("records")


def makers(tables: list[dict]) -> list[dict]:
    """Scripts behind the tables' cells: which code, which commits, on what, how many files."""
    files = {
        file["path"]: file for table in tables for cell in table["cells"] for file in cell["from"]
    }
    if not files:
        return []
    frame = pd.DataFrame(files.values()).fillna("not noted")
    keys = ["script", "code", "commit", "hardware"]
    return frame.groupby(keys).size().rename("files").reset_index().to_dict("records")


def warnings_for(settings: dict) -> list[str]:
    """What a reader must know before any number."""
    found = []
    if phantoms(settings):
        found.append(
            "This study runs on drawn phantoms, at a size that ends in minutes: it shows that the "
            "workflow works, not what the methods are worth."
        )
    if len(settings["seeds"]) == 1:
        found.append(
            "One seed was run: nothing is decided about a method. Intervals over cases are about "
            "these trained networks, and say nothing about how training varies."
        )
    return found


def phantoms(settings: dict) -> bool:
    """Whether any data set of the study is drawn."""
    return any(dataset.get("phantom") for dataset in settings["datasets"].values())
