"""Report, per rule of a study, what its jobs asked for and used, and the config that would fit."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.readiness.efficiency import by_rule
from workflow_src.study.loading import load_study


def main(configfiles: list[Path]) -> None:
    """Print a Markdown table, and the lines of config to change.

    It is made of the jobs' benchmark files, so it needs no accounting; the most that any job of a
    rule used counts. GPUs are not in it: `nvidia-smi` on the node tells how busy they are.

    Args:
        configfiles: of the study, as Snakemake takes them.

    Raises:
        InputError: if no job has been measured yet.
    """
    config = load_study(configfiles)
    benchmarks = Path("results") / config["study"] / "benchmarks"
    rows = list(by_rule(benchmarks, config)) if benchmarks.is_dir() else []
    if not rows:
        raise InputError(f"{benchmarks} has no job's benchmark yet: run `snakemake` first")
    names = {"mem_mb": "MB", "runtime": "minutes", "threads": "threads"}
    print(f"| rule | jobs | {' | '.join(f'{unit} asked, used' for unit in names.values())} |")
    print("|---|---|---|---|---|")
    for row in rows:
        cells = [f"{row['asked'][name]}, {row['used'][name]:.1f}" for name in names]
        print(f"| {row['rule']} | {row['jobs']} | {' | '.join(cells)} |")
    lines = [row["line"] for row in rows if row["line"]]
    print("\nresources:" if lines else "\nNothing to change.")
    for text in lines:
        print(f"  {text}")


if __name__ == "__main__":
    run(main)
