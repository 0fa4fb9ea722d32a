"""Plan what would decide a study's open claims: trainings, images, GPU-hours; prints Markdown."""

from pathlib import Path

import pandas as pd

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.json_files import read_json
from workflow_src.paper.plans import plan_claims, plan_rows
from workflow_src.readiness.trainings import training_hours
from workflow_src.study.loading import load_study


def main(configfiles: list[Path]) -> None:
    """Print a table with a row for each open claim and effect.

    Variances are those of the study's claims.json; hours are measured where such jobs are done,
    else follow from their operations on an A100.

    Args:
        configfiles: of the study, as Snakemake takes them.
    """
    config = load_study(configfiles)
    folder = Path("results") / config["study"]
    if not (folder / "claims.json").is_file():
        raise InputError(f"{folder} has no claims.json: run `snakemake report` for it first")
    results = read_json(folder / "claims.json")
    plan_claims(results, training_hours(config, folder / "benchmarks"))
    rows = plan_rows(results)
    if not rows:
        print("No claim that is tested is open.")
        return
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))
    print(
        "\nA power of 80 % at the level after correction for all claims. At least: one training "
        "each shows nothing of how trainings vary."
    )


if __name__ == "__main__":
    run(main)
