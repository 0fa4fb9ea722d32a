"""Judge the paper's claims by this study's metrics, and plan what would decide the open ones.

What that costs stands in the report, whose settings say how long trainings take.
"""

from collections import Counter
from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.outputs import write_json, write_text
from workflow_src.common.yaml_files import read_yaml
from workflow_src.paper.claims import VERDICTS, judge_all, read_claims
from workflow_src.paper.measured import TableSpec
from workflow_src.paper.plans import plan_claims, to_markdown


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
    paper = read_yaml(published)
    read = read_claims(read_yaml(claims))
    results = judge_all(read, specs, paper, reduced or [])
    plan_claims(results)
    write_json(output.with_suffix(".json"), results)
    write_text(output.with_suffix(".md"), to_markdown(results))
    counts = Counter(result["verdict"] for result in results.values())
    print(", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS))


if __name__ == "__main__":
    run(main)
