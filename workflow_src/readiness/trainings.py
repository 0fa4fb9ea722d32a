"""GPU-hours of one more training of each row, by the times of the trainings that are done."""

import statistics
from pathlib import Path

from workflow_src.readiness.hours import seconds_taken
from workflow_src.readiness.work import PEAKS, Device, seconds_on
from workflow_src.study.table_specs import mix_of, model_of, tables_in_order
from workflow_src.study.trainings import training_jobs

USUAL = Device("a100", PEAKS["a100"])


def training_hours(config: dict, benchmarks: Path) -> dict[str, dict[str, dict[str, float]]]:
    """GPU-hours of one more training, up to its metrics, by table, data set and row.

    A job takes as long as others of its rule took, else what its operations take on a GPU of a
    usual kind, as in the estimate of the whole study.

    Args:
        config: the study.
        benchmarks: folder of the jobs' benchmark files.
    """
    hours: dict[str, dict[str, dict[str, float]]] = {}
    for name in tables_in_order(config):
        table = config["tables"][name]
        hours[name] = {
            dataset: {
                row: sum(
                    count
                    * _gpu_hours(config, rule, _wildcards(config, table, row, dataset), benchmarks)
                    for rule, count in training_jobs(config, name, row).items()
                )
                for row in table["rows"]
            }
            for dataset in table["datasets"]
        }
    return hours


def _wildcards(config: dict, table: dict, row: str, dataset: str) -> dict[str, str]:
    """What the rules that make a row are told."""
    if table["of"] == "methods":
        return {"dataset": dataset, "method": row}
    model = model_of(table["of"], row)
    if mix := mix_of(model):
        method = config["downstream"]["mixes"][mix]["method"]
        return {"dataset": dataset, "mix": mix, "method": method}
    return {"dataset": dataset, "light": model}


def _gpu_hours(config: dict, rule: str, wildcards: dict[str, str], benchmarks: Path) -> float:
    gpus = (config["resources"]["default"] | config["resources"].get(rule, {}))["gpu"]
    taken = [seconds_taken(path) for path in sorted((benchmarks / rule).glob("*.tsv"))]
    if taken:
        return gpus * statistics.mean(taken) / 3600
    return min(gpus, 1) * seconds_on(USUAL, rule, config, wildcards) / 3600
