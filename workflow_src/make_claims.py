"""Judge the paper's claims by this study's metrics: holds, does not hold, undecided, not run."""

from collections import Counter
from pathlib import Path

import yaml

from workflow_src.common.command_line import run
from workflow_src.common.outputs import write_json, write_text
from workflow_src.paper.claims import VERDICTS, judge, read_claims, to_markdown
from workflow_src.paper.measured import TableSpec


def main(
    claims: Path,
    published: Path,
    specs: dict[str, TableSpec],
    output: Path,
    reduced: list[str] | None = None,
) -> None:
    """Judge the claims.

    Args:
        claims: the claims.
        published: the paper's numbers.
        specs: rows, columns and metrics files of the study's tables, by name.
        output: path without suffix; .md and .json are written.
        reduced: row.column of costs that this study's smaller networks change.
    """
    paper = yaml.safe_load(published.read_text())
    results = {
        name: judge(claim, specs.get(claim.table), paper, reduced or [])
        for name, claim in read_claims(yaml.safe_load(claims.read_text())).items()
    }
    write_json(output.with_suffix(".json"), results)
    write_text(output.with_suffix(".md"), to_markdown(results))
    counts = Counter(result["verdict"] for result in results.values())
    print(", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS))


if __name__ == "__main__":
    run(main)
