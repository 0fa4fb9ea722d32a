"""GPU-hours of one more training of each row, by the times of the trainings that are done."""

import csv
import statistics
from pathlib import Path

from workflow_src.study.table_specs import tables_in_order
from workflow_src.study.trainings import training_jobs


def training_hours(config: dict, benchmarks: Path) -> dict[str, dict[str, dict[str, float]]]:
    """GPU-hours of one more training, up to its metrics, by table, data set and row.

    A job takes as long as others of its rule took, else the longest that it may (`resources`), as
    in the estimate of the whole study.

    Args:
        config: the study.
        benchmarks: folder of the jobs' benchmark files.
    """
    hours: dict[str, dict[str, dict[str, float]]] = {}
    for name in tables_in_order(config):
        table = config["tables"][name]
        by_row = {
            row: sum(
                count * _gpu_hours(config, rule, benchmarks)
                for rule, count in training_jobs(config, name, row).items()
            )
            for row in table["rows"]
        }
        hours[name] = {dataset: by_row for dataset in table["datasets"]}
    return hours


def _gpu_hours(config: dict, rule: str, benchmarks: Path) -> float:
    resources = config["resources"]["default"] | config["resources"].get(rule, {})
    taken = [_seconds(path) for path in sorted((benchmarks / rule).glob("*.tsv"))]
    seconds = statistics.mean(taken) if taken else 60.0 * resources["runtime"]
    return resources.get("gpu", 0) * seconds / 3600


def _seconds(path: Path) -> float:
    with path.open() as file:
        return sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
