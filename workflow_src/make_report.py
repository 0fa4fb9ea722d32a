"""Make report.html: one self-contained file with verdicts, tables, figures, audit, provenance."""

import json
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from workflow_src.common.command_line import run
from workflow_src.common.json_files import read_json
from workflow_src.common.outputs import write_text
from workflow_src.common.provenance import provenance
from workflow_src.paper import report
from workflow_src.paper.plans import add_hours, plan_rows
from workflow_src.readiness.trainings import training_hours

TEXTS = Path(__file__).parent / "paper"


def main(
    study: str,
    tables: list[Path],
    figures: dict[str, Path],
    claims: Path,
    audit: Path,
    benchmarks: Path,
    settings: dict[str, Any],
    output: Path,
) -> None:
    """Make the report.

    Args:
        study: name of the study.
        tables: the tables' json files, in the order shown.
        figures: the figures' png files, by title.
        claims: json of the claims' verdicts.
        audit: json of the audit.
        benchmarks: folder of the jobs' benchmark files.
        settings: the study's configuration.
        output: the html file.
    """
    judged = read_json(claims)
    if any("plan" in claim for claim in judged.values()):
        add_hours(judged, training_hours(settings, benchmarks))
    read = [read_json(path) for path in tables]
    remark = "The data are drawn phantoms." if report.phantoms(settings) else ""
    templates = Environment(
        loader=FileSystemLoader(TEXTS), autoescape=select_autoescape(["j2"]),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    html = templates.get_template("report.html.j2").render(
        study=study,
        compared=not all(data.get("phantom") for data in settings["datasets"].values()),
        warnings=report.warnings_for(settings),
        verdicts=report.verdicts(judged),
        plans=plan_rows(judged),
        tables=read,
        figures=[
            report.read_figure(title, path, TEXTS / "captions", remark)
            for title, path in figures.items()
        ],
        audit=report.audit_parts(read_json(audit)),
        times=report.run_times(benchmarks),
        makers=report.makers(read),
        provenance=json.dumps(provenance("workflow_src.make_report"), indent=2),
        config=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True),
    )
    write_text(output, html)


if __name__ == "__main__":
    run(main)
