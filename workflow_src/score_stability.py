"""Judge from its log whether a ControlNet training was stable."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.outputs import write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.tables import read_table
from workflow_src.metrics.stability import COLUMNS, judge
from workflow_src.study.stability import StabilityLimits

SCRIPT = "workflow_src.score_stability"


def main(log: Path, output: Path, limits: StabilityLimits) -> None:
    """Judge a training.

    Args:
        log: log.csv of the training.
        output: the verdict, a json file.
        limits: what counts as unstable.
    """
    table = read_table(log, *COLUMNS, marker="recipe.json")
    verdict = judge(table, limits) | {"limits": limits.complete()}
    write_json(output, verdict | {"provenance": provenance(SCRIPT)})


if __name__ == "__main__":
    run(main)
