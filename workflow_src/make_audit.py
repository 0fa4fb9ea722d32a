"""Audit the paper's numbers: against arithmetic, against each other, against this study."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.json_files import read_json
from workflow_src.common.outputs import write_json, write_text
from workflow_src.common.yaml_files import read_yaml
from workflow_src.data.tables import read_index, read_table
from workflow_src.paper import audit_costs, audit_method, audit_tables
from workflow_src.paper.audit import Study, to_json, to_markdown


def main(
    published: Path,
    output: Path,
    costs: dict[str, Path] | None = None,
    data: dict[str, Path] | None = None,
    tables: dict[str, Path] | None = None,
    reduced: list[str] | None = None,
) -> None:
    """Make the audit.

    Args:
        published: the paper's numbers.
        output: path without suffix; .md and .json are written.
        costs: measure_cost's files, by model.
        data: index.csv of prepared sets, by the data sets' labels.
        tables: csv files of the study's tables, by name.
        reduced: model.column of costs that this study changes, which are not compared.
    """
    study = Study(
        costs={name: read_json(path) for name, path in (costs or {}).items()},
        lesions={
            label: read_index(path).query("split == 'train'").lesion_fraction.to_numpy()
            for label, path in (data or {}).items()
        },
        tables={name: read_table(path) for name, path in (tables or {}).items()},
        reduced=reduced or [],
    )
    paper = read_yaml(published)
    findings = [
        finding
        for check in (*audit_tables.CHECKS, *audit_method.CHECKS, *audit_costs.CHECKS)
        for finding in check(paper, study)
    ]
    write_text(output.with_suffix(".md"), to_markdown(findings))
    write_json(output.with_suffix(".json"), to_json(findings))
    for finding in findings:
        print(f"{finding.kind}: {finding.place}: {finding.claim}")


if __name__ == "__main__":
    run(main)
